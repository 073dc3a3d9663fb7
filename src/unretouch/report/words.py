"""Every sentence of the pages, in English and in Korean.

`{name}` stands for a value that the page fills in.
"""

from __future__ import annotations

LANGUAGES = ("en", "ko")

WORDS: dict[str, tuple[str, str]] = {
    # Everywhere
    "language": ("Language", "언어"),
    "level_error": ("Error", "오차"),
    "levels_value": ("{value} grey levels", "{value}단계"),
    "identity": ("Doing nothing", "그대로 둘 때"),
    "recovered": ("Recovered", "복원율"),
    "exact": ("Exact pixels", "똑같은 픽셀"),
    "pair": ("Pair", "쌍"),
    "pairs": ("Pairs", "사진 쌍"),
    "pictures": ("Pictures", "사진"),
    "mean": ("Mean", "평균"),
    "real_A": ("input", "입력"),
    "fake_B": ("generated", "생성"),
    "real_B": ("answer", "정답"),
    "real": ("input", "입력"),
    "fake": ("generated", "생성"),
    "no_script": (
        "Without JavaScript this page shows only the pictures.",
        "자바스크립트를 끄면 사진만 보여요.",
    ),
    # Pictures of a pair
    "compare": ("Compare", "비교"),
    "compare_slider": (
        "{left} on the left, {right} on the right. Arrow keys move the line",
        "왼쪽은 {left}, 오른쪽은 {right}이에요. 화살표 키로 선을 움직여요",
    ),
    "side_left": ("Left side of the slider", "슬라이더 왼쪽"),
    "side_right": ("Right side of the slider", "슬라이더 오른쪽"),
    "loupe": ("Loupe", "돋보기"),
    "whole": ("Whole", "전체"),
    "loupe_help": (
        "Click a place to enlarge it in every picture; drag or use the arrow keys to move, "
        "+ and − to zoom, 0 for the whole",
        "보고 싶은 곳을 누르면 모든 사진에서 같은 곳이 커져요. 끌거나 화살표 키로 옮기고, "
        "+와 −로 배율을 바꾸고, 0으로 전체를 봐요",
    ),
    "error_map": ("error map, in grey levels", "오차 지도(단계)"),
    # Large pairs: the whole reduced, and places at 1:1
    "looks": ("Part of the picture", "사진에서 볼 부분"),
    "look_whole": ("Whole, reduced", "전체(축소)"),
    "look_strongest": ("Strongest retouch {number}", "가장 강한 리터칭 {number}"),
    "look_worst": ("Largest error elsewhere", "그 밖에서 가장 큰 오차"),
    "whole_note": (
        "{width} × {height} pixels, shown reduced.",
        "{width} × {height} 픽셀을 줄여서 보여 줘요.",
    ),
    "whole_note_between": (
        "{width} × {height} pixels, shown reduced. fake_B of the whole is made at the start and, "
        "if time allows, at the end.",
        "{width} × {height} 픽셀을 줄여서 보여 줘요. 전체 fake_B는 처음에, 그리고 시간이 되면 "
        "끝날 때 만들어요.",
    ),
    "place_note": (
        "{width} × {height} pixels at x {left}, y {top}. Error there {error}, doing nothing "
        "{identity}.",
        "x {left}, y {top}에서 {width} × {height} 픽셀이에요. 이곳의 오차는 {error}, 그대로 두면 "
        "{identity}이에요.",
    ),
    "place_at": ("x {left}, y {top}", "x {left}, y {top}"),
    "estimated_from": ("estimated from", "추정 근거"),
    "sampled_tiles": ("{count} sampled tiles", "표본 타일 {count}개"),
    # Live page: state
    "state_starting": ("Starting", "준비 중"),
    "state_running": ("Training", "학습 중"),
    "state_finished": ("Finished", "완료"),
    "state_stopped": ("Stopped", "멈춤"),
    "state_failed": ("Failed", "실패"),
    "reason_finished": ("The training is complete.", "학습을 모두 마쳤어요."),
    "reason_interrupted": (
        "Stopped by Ctrl+C. The same command goes on from the last save.",
        "Ctrl+C로 멈췄어요. 같은 명령을 다시 실행하면 마지막 저장부터 이어서 해요.",
    ),
    "reason_terminated": (
        "The system asked it to stop. The same command goes on from the last save.",
        "시스템이 종료를 요청해서 멈췄어요. 같은 명령을 다시 실행하면 마지막 저장부터 이어서 해요.",
    ),
    "reason_time_up": ("The time it was given is used up.", "정해 둔 시간을 다 썼어요."),
    "reason_target_reached": (
        "Every pair is as close as was asked for.",
        "모든 쌍이 목표한 오차 안에 들어왔어요.",
    ),
    "reason_every_pixel_exact": (
        "Every pixel of every pair is exact.",
        "모든 쌍의 모든 픽셀이 정확히 일치해요.",
    ),
    "reason_no_more_gain": (
        "A quarter of its time brought no more gain.",
        "정해진 시간의 4분의 1 동안 더 나아지지 않았어요.",
    ),
    "reason_non_finite": (
        "A loss was not a number any more. The last save is sound; try a lower learning rate.",
        "손실 값이 숫자가 아니게 됐어요. 마지막 저장은 온전해요. 학습률을 낮춰 보세요.",
    ),
    "reason_disk_full": (
        "The disk is full. Free some space, then run the same command again.",
        "디스크가 가득 찼어요. 공간을 비우고 같은 명령을 다시 실행하세요.",
    ),
    "waiting": (
        "Waiting for the first figures…",
        "첫 수치를 기다리고 있어요…",
    ),
    "silent": (
        "No news for {time}. If the program was closed, run the same command again: it goes on "
        "from the last save.",
        "{time} 동안 소식이 없어요. 프로그램이 꺼졌다면 같은 명령을 다시 실행하세요. "
        "마지막 저장부터 이어서 해요.",
    ),
    "progress": ("Progress", "진행"),
    "step": ("Step", "스텝"),
    "epoch": ("Epoch", "에포크"),
    "of": ("of {total}", "/ {total}"),
    "left": ("Time left", "남은 시간"),
    "elapsed": ("{time} so far", "지금까지 {time}"),
    "took": ("Took", "걸린 시간"),
    "lr": ("Learning rate", "학습률"),
    "lambda": ("lambda_L1", "lambda_L1"),
    "last_save": ("Last save", "마지막 저장"),
    "save_value": ("step {step}, {ago}", "{step} 스텝, {ago}"),
    "save_none": ("not yet", "아직 없음"),
    "error_now": ("Error of fake_B in grey levels", "fake_B의 오차(단계)"),
    "identity_is": (
        "doing nothing costs {value}",
        "그대로 두면 {value}",
    ),
    "identity_training": (
        "while training; doing nothing costs {value}",
        "학습 중에 잰 값, 그대로 두면 {value}",
    ),
    "identity_estimated": (
        "estimated from sampled tiles; doing nothing costs {value}",
        "표본 타일로 추정한 값, 그대로 두면 {value}",
    ),
    "recovered_help": (
        "0% did nothing, 100% is perfect",
        "0%\u2060는 그대로, 100%\u2060는 완벽",
    ),
    "unknown": ("unknown", "알 수 없음"),
    "hours": ("{h} h {m} min", "{h}시간 {m}분"),
    "minutes": ("{m} min", "{m}분"),
    "minutes_seconds": ("{m} min {s} s", "{m}분 {s}초"),
    "seconds": ("{s} s", "{s}초"),
    "days": ("{d} d {h} h", "{d}일 {h}시간"),
    # Live page: curves
    "curves": ("Curves", "그래프"),
    "log_scale": ("Log scale", "로그 눈금"),
    "chart_error": ("Error in grey levels", "오차(0~255 단계)"),
    "chart_error_help": (
        "Mean distance from real_B. Below the dashed line it is better than leaving the photo "
        "as it is. While training it is measured on the parts trained on, by what doing nothing "
        "costs there; in previews on whole pictures, of large ones mostly estimated from sampled "
        "tiles.",
        "real_B와의 평균 차이예요. 점선보다 낮으면 사진을 그대로 두는 것보다 나아요. 학습 중에는 "
        "학습한 부분에서 그대로 둘 때와 견주어 재고, 미리보기에서는 사진 전체로 재요. 큰 사진은 "
        "대개 표본 타일로 추정해요.",
    ),
    "chart_weighted": ("G_L1", "G_L1"),
    "chart_weighted_help": (
        "Contains lambda_L1 = {lambda}: 1.0 here is {levels} grey levels. Do not compare it "
        "between runs with another lambda_L1.",
        "lambda_L1 = {lambda}이 곱해진 값이에요. 여기서 1.0은 {levels}단계예요. "
        "lambda_L1이 다른 실험과는 비교하지 마세요.",
    ),
    "chart_gan": ("G_GAN, D_real, D_fake", "G_GAN, D_real, D_fake"),
    "chart_gan_help": (
        "The two networks against each other: good while they stay balanced.",
        "두 네트워크가 겨루는 값이에요. 균형을 유지하면 좋아요.",
    ),
    "series_training": ("while training", "학습 중"),
    "series_previews": ("previews", "미리보기"),
    "series_identity": ("doing nothing", "그대로 둘 때"),
    "series_goal": ("goal 1.0", "목표 1.0"),
    "chart_empty": (
        "The curve begins with the second log line.",
        "로그가 두 줄 쌓이면 그래프가 시작돼요.",
    ),
    "chart_label": ("{title}: {values}", "{title}: {values}"),
    # Live page: pictures over time
    "time": ("Time", "시점"),
    "latest": ("latest", "최신"),
    "time_value": (
        "step {step}, epoch {epoch}",
        "{step} 스텝, {epoch} 에포크",
    ),
    "previews_none": (
        "The first pictures come before step 1.",
        "첫 미리보기는 1 스텝 전에 나와요.",
    ),
    # Results page
    "summary": ("Summary", "요약"),
    "results_help": (
        "Error is the mean distance from real_B in grey levels, 0 to 255. Recovered is the share "
        "of the retouch that was undone: 0% did nothing, 100% is perfect, less than 0% is harm.",
        "오차는 real_B와의 평균 차이(0~255 단계)예요. 복원율은 리터칭을 되돌린 비율이에요. "
        "0%\u2060는 그대로, 100%\u2060는 완벽, 0%\u2060보다 작으면 더 나빠진 거예요.",
    ),
    "no_answer": (
        "These pictures have no answer, so there is nothing to measure against.",
        "정답 사진이 없어서 오차를 잴 수 없어요.",
    ),
}


def tables() -> dict[str, dict[str, str]]:
    """Return the words by language and key, as the pages' scripts take them."""
    return {
        language: {key: texts[index] for key, texts in WORDS.items()}
        for index, language in enumerate(LANGUAGES)
    }
