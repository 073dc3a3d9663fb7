"""The sentences of the verification page, in English and in Korean.

A metric's own explanation is its English one (src/unretouch/metrics/): only Korean stands here.
"""

from __future__ import annotations

from unretouch.metrics.octave_bands import BANDS, PARTS
from unretouch.metrics.table import METRICS
from unretouch.report.extra_metrics import DEEP_DISTANCE
from unretouch.report.words import LANGUAGES, tables

WORDS: dict[str, tuple[str, str]] = {
    "question_memorised": ("Did it memorise?", "외웠나요?"),
    "question_texture": ("Is the texture back?", "피부결이 돌아왔나요?"),
    "question_unseen": ("Does it hold on unseen portraits?", "처음 보는 인물 사진에도 통하나요?"),
    "question_unseen_texture": (
        "Their texture: is it back?",
        "처음 보는 사진의 피부결도 돌아왔나요?",
    ),
    "question_self_test": ("Self-test on your photos", "내 사진으로 하는 자가 시험"),
    "question_probe": ("Memory or skill?", "기억인가요, 실력인가요?"),
    "word_memorised": ("memorised", "외웠음"),
    "word_nearly": ("nearly", "거의 외움"),
    "word_not_yet": ("not yet", "아직"),
    "word_did_nothing": ("did nothing", "아무것도 안 함"),
    "word_harmful": ("harmful", "해로움"),
    "word_back": ("back", "돌아옴"),
    "word_smooth": ("smooth", "매끈함"),
    "word_no_better": ("no better", "더 낫지 않음"),
    "word_nothing": ("nothing", "없음"),
    "word_grain": ("grain", "그레인"),
    "word_noisy": ("noisy", "거침"),
    "word_holds": ("holds", "통함"),
    "word_holds_in_part": ("holds in part", "일부만 통함"),
    "word_does_not_hold": ("does not hold", "통하지 않음"),
    "word_skill": ("skill", "실력"),
    "word_in_between": ("in between", "중간"),
    "word_memory": ("memory", "기억"),
    "word_unknown": ("unknown", "알 수 없음"),
    "verdicts": ("Verdicts", "판정"),
    "group": ("Where from", "어디서"),
    "group_training": ("training", "학습"),
    "group_heldout": ("held out", "따로 둔 쌍"),
    "group_self_test": ("self-test", "자가 시험"),
    "verdict": ("Verdict", "판정"),
    "texture": ("Texture", "피부결"),
    "choose_pair": (
        "Choose a pair: pictures and figures below are its own.",
        "쌍을 고르면 아래 사진과 수치가 그 쌍의 것으로 바뀌어요.",
    ),
    "all_pairs": ("All pairs", "모든 쌍"),
    "cross_note": (
        "Each held-out pair was judged by a run that never saw it: {runs} runs of {minutes} "
        "minutes, which recover {share} of their own pairs.",
        "따로 둔 쌍은 그 쌍을 본 적 없는 실험으로 판정했어요. {minutes}분짜리 실험 {runs}개이고, "
        "자기 쌍의 복원율은 {share}예요.",
    ),
    "places": ("At full size", "실제 크기로 보기"),
    "places_help": (
        "Cut out at 1:1 where the figures say: the place with the largest error, and one with the "
        "median error of the retouched area. Errors have the colours of the error map above.",
        "수치가 가리키는 곳을 1:1로 잘랐어요. 오차가 가장 큰 곳과, 리터칭된 영역에서 오차가 "
        "중간인 곳이에요. 오차의 색은 위의 오차 지도와 같아요.",
    ),
    "reduced_note": (
        "Shown reduced to {small} of {full} pixels, under the loupe too; the two places below are "
        "at full size.",
        "{full} 픽셀을 {small}로 줄여서 보여 줘요. 돋보기도 마찬가지예요. 아래 두 곳은 실제 "
        "크기예요.",
    ),
    "look_frame": ("Whole, reduced", "전체(축소)"),
    "look_place_worst": ("Worst place", "가장 나쁜 곳"),
    "look_place_typical": ("Typical place", "보통인 곳"),
    "place_note_full": ("Cut out at full size.", "실제 크기로 잘랐어요."),
    "identity_parts": (
        "{retouch} retouch, {compression} compression",
        "리터칭 {retouch}, 압축 {compression}",
    ),
    "noisy_help": (
        "Source and target are two files compressed apart: doing nothing costs {value}, of it "
        "{parts}. Compression cannot be brought back, so the verdicts judge the area.",
        "입력과 정답은 따로 압축한 두 파일이에요. 그대로 두면 {value}이고, 그 가운데 {parts}예요. "
        "압축은 되돌릴 수 없으니 판정은 영역으로 해요.",
    ),
    "added_outside": (
        "Outside the area, where nothing should change, it changed {value} grey levels.",
        "아무것도 바뀌지 않아야 할 영역 밖에서는 {value}단계 바꿨어요.",
    ),
    "figure_coarse": ("Larger than pores: light and form", "모공보다 큰 것: 빛과 형태"),
    "explain_coarse": (
        "How much of what the retouch changed in broad strokes is back, measured on a copy reduced "
        "by 8; in brackets its part of the whole retouch.",
        "리터칭이 크게 바꾼 것이 얼마나 돌아왔는지예요. 8분의 1로 줄인 사진에서 쟀고, 괄호 안은 "
        "전체 리터칭에서 차지하는 몫이에요.",
    ),
    "coarse_band": (
        "{low}–{high} px ({share} of the retouch)",
        "{low}~{high} px(리터칭의 {share})",
    ),
    "worst": ("The worst place: off by {value}", "가장 나쁜 곳: 오차 {value}"),
    "typical": ("A typical place: off by {value}", "보통인 곳: 오차 {value}"),
    "error_short": ("error", "오차"),
    "likeness": ("How close", "얼마나 가까운가"),
    "likeness_help": (
        "Frame: the whole picture. Area: only where the retouch changed something ({share} of this "
        "picture). Doing nothing: the retouched picture itself, which a good model must beat.",
        "전체: 사진 전체. 영역: 리터칭이 바꾼 곳만(이 사진의 {share}). 그대로 둘 때: 리터칭된 "
        "사진 그대로이고, 좋은 모델은 이보다 나아야 해요.",
    ),
    "texture_help": (
        "In the retouched area. Doing nothing and grain (a grain overlay whose strength is matched "
        "to the true skin in every size) are what a good model must beat.",
        "리터칭된 영역에서 쟀어요. 좋은 모델은 그대로 두는 것과 그레인(모든 크기에서 진짜 피부와 "
        "세기를 맞춘 그레인 덧씌우기)보다 나아야 해요.",
    ),
    "untouched": (
        "Source and target are the same picture here: there is no texture to judge.",
        "입력과 정답이 같은 사진이라 판정할 피부결이 없어요.",
    ),
    "parts": ("Skin and the rest", "피부와 나머지"),
    "parts_help": (
        "Where the error lies; harm is an error larger than doing nothing.",
        "오차가 어디에 있는지 보여요. 그대로 둘 때보다 오차가 크면 해로운 거예요.",
    ),
    "part_skin": ("skin ({share} of the frame)", "피부(전체의 {share})"),
    "part_elsewhere": ("elsewhere ({share})", "피부 아닌 곳({share})"),
    "figure": ("Figure", "수치"),
    "frame": ("Frame", "전체"),
    "area": ("Area", "영역"),
    "prediction": ("Generated", "생성"),
    "grain": ("Grain", "그레인"),
    "best": ("Best", "최선"),
    "spectrum": ("Texture by its size", "크기별 피부결"),
    "spectrum_help": (
        "How strong the texture of each size is, in decibels (radial power spectrum): coarse on "
        "the left, fine on the right.",
        "크기별 피부결의 세기(데시벨, 방사형 파워 스펙트럼)예요. 왼쪽은 굵은 결, 오른쪽은 가는 "
        "결이에요.",
    ),
    "beside": ("Beside the answer", "정답과 견주면"),
    "beside_help": (
        "The same, less the answer's: on 0 the texture is as strong as it was, below it is "
        "smoother, above rougher.",
        "같은 값에서 정답을 뺐어요. 0이면 세기가 원래와 같고, 아래면 더 매끈하고, 위면 더 "
        "거칠어요.",
    ),
    "period": ("{value} px", "{value} px"),
    "size": ("Size", "크기"),
    "probe": ("Memory or skill?", "기억인가요, 실력인가요?"),
    "probe_help": (
        "What is recovered when the training pictures are changed a little. Skill stays level; "
        "memory falls as soon as the pixels are not the very ones it saw. The dashed line is the "
        "unchanged picture.",
        "학습 사진을 조금 바꿨을 때의 복원율이에요. 실력이면 그대로이고, 기억이면 픽셀이 달라지는 "
        "순간 떨어져요. 점선은 바꾸지 않은 사진이에요.",
    ),
    "probe_mirror": ("Mirrored left to right: {value}.", "좌우로 뒤집으면 {value}예요."),
    "change_shift": ("Shifted, in px", "밀기(px)"),
    "change_brightness": ("Brighter or darker, in grey levels", "밝기(단계)"),
    "change_noise": ("With noise, in grey levels", "노이즈(단계)"),
    "change_crop": ("Cut on each side, in px", "가장자리 자르기(px)"),
    "unchanged": ("unchanged", "그대로"),
    "figure_level_error": ("Error, mean (grey levels)", "오차 평균(단계)"),
    "figure_level_error_p95": ("95 % of values are below", "값의 95%\u2060가 이 아래"),
    "figure_level_error_p99": ("99 % of values are below", "값의 99%\u2060가 이 아래"),
    "figure_level_error_max": ("largest", "가장 큰 오차"),
    "figure_G_L1": ("G_L1", "G_L1"),
    "explain_G_L1": (
        "The same error as the training log shows it: times lambda_L1 = {lambda}.",
        "학습 로그에 나오는 값이에요. 오차에 lambda_L1 = {lambda}을 곱했어요.",
    ),
    "figure_recovered_share": ("Recovered share", "복원율"),
    "figure_exact_pixels": ("Exact pixels", "똑같은 픽셀"),
    "figure_psnr": ("PSNR (dB)", "PSNR(dB)"),
    "figure_ssim": ("SSIM", "SSIM"),
    "figure_band_energy": ("Strength of texture", "결의 세기"),
    "figure_detail_coherence": ("Right place (coherence)", "자리 일치도"),
    "figure_detail_recovered": ("Recovered detail", "복원된 결"),
    "figure_detail_ssim": ("SSIM of the texture", "피부결의 SSIM"),
    "figure_spectrum_distance": ("Mix of sizes off by (dB)", "크기 구성의 차이(dB)"),
    "figure_local_contrast_distance": (
        "Local contrast off by (grey levels)",
        "국소 대비의 차이(단계)",
    ),
    "figure_gradient_ratio": ("Crispness", "또렷함"),
    "figure_laplacian_ratio": ("Finest grain", "가장 고운 결"),
    "figure_efficientnet_lite0_distance": (
        "As EfficientNet-Lite0 sees it, off by",
        "EfficientNet-Lite0이 보는 차이",
    ),
}

EXPLAINED_IN_KOREAN: dict[str, str] = {
    "level_error": (
        "검정에서 하양까지 255단계 가운데 평균 몇 단계 어긋났는지예요. 0.5단계보다 작으면 눈으로도 "
        "파일로도 구별되지 않아요."
    ),
    "recovered_share": (
        "리터칭을 되돌린 비율이에요. 1(100%)은 전부, 0은 그대로, 0보다 작으면 리터칭된 사진보다 "
        "더 멀어진 거예요."
    ),
    "exact_pixels": (
        "저장했을 때 정답과 색이 완전히 같은 픽셀의 비율이에요. 1(100%)이면 같은 사진이에요."
    ),
    "psnr": (
        "기술자들이 쓰는 오차 표현이에요. 6 커지면 오차가 절반이고, 48을 넘으면 파일의 한 단계보다 "
        "작은 오차예요."
    ),
    "ssim": "작은 돋보기로 본 밝기, 대비, 구조가 얼마나 닮았는지예요. 1은 같음이에요.",
    "band_energy": (
        "크기별 피부결의 세기를 리터칭 전 피부와 견줘요. 1은 같음, 1보다 작으면 매끈하고, 크면 "
        "거칠어요."
    ),
    "detail_coherence": (
        "되돌린 결이 그 사람의 것인지예요. 1은 모공이 모두 제자리, 0은 피부처럼 보이기만 하는 "
        "그레인이에요."
    ),
    "detail_recovered": (
        "지워진 결이 크기별로 얼마나 돌아왔는지예요. 1은 전부, 0은 그대로, 0보다 작으면 그레인이나 "
        "손상이에요."
    ),
    "detail_ssim": (
        "빛과 그림자를 빼고 결만 견줬을 때 얼마나 닮았는지예요. 매끈해도, 낯선 그레인이 섞여도 "
        "낮아져요."
    ),
    "spectrum_distance": (
        "굵은 결과 가는 결의 구성이 리터칭 전 피부와 얼마나 다른지를 소리 크기처럼 나타내요. 0은 "
        "같음, 6이면 세기가 평균 두 배나 절반이에요."
    ),
    "local_contrast_distance": (
        "매끈한 곳과 거친 곳이 리터칭 전 피부만큼 있는지를, 거칠기가 몇 단계 어긋났는지로 나타내요."
    ),
    "gradient_ratio": (
        "결이 얼마나 또렷한지예요. 1은 리터칭 전과 같음, 작으면 흐리고, 크면 지나치게 강해요."
    ),
    "laplacian_ratio": (
        "가장 고운 결의 세기예요. 1은 리터칭 전과 같음, 작으면 흐리고, 크면 거칠거나 지나치게 "
        "선명해요."
    ),
    "efficientnet_lite0_distance": (
        "피부가 아니라 사진 속 사물을 알아맞히도록 학습한 신경망에 결과가 얼마나 다르게 "
        "보이는지예요. 0은 같음이고, 엉뚱한 자리의 그레인이 섞이면 커져요."
    ),
}


def verify_words() -> dict[str, dict[str, str]]:
    """Return all words of the page by language: those of every page, its own, the metrics'."""
    words = dict(WORDS)
    for metric in (*METRICS.values(), DEEP_DISTANCE):
        korean = EXPLAINED_IN_KOREAN[metric.name]
        words[f"explain_{metric.name}"] = (metric.explanation, korean)
    for part, (low, high) in zip(PARTS, BANDS, strict=True):
        words[f"part_{part}"] = (f"{low}–{high} px", f"{low}~{high} px")
    return {
        language: {**table, **{key: texts[index] for key, texts in words.items()}}
        for index, (language, table) in enumerate((name, tables()[name]) for name in LANGUAGES)
    }
