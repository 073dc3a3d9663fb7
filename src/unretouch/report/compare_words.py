"""The sentences of a comparison, in English and in Korean; the terminal says them, too."""

from __future__ import annotations

from unretouch.report.words import LANGUAGES, tables

WORDS: dict[str, tuple[str, str]] = {
    "plain": ("{text}", "{text}"),
    "compare_title": ("Comparing runs", "실험 비교"),
    "compare_take_label": ("Take", "추천"),
    "compare_take": (
        "Take {run}: it is off by {error} grey levels, doing nothing by {identity}.",
        "{run}\u2060을(를) 쓰세요. 오차가 {error}단계예요. 그대로 두면 {identity}단계예요.",
    ),
    "compare_none_label": ("None yet; nearest", "아직 없음, 가장 가까운 실험"),
    "compare_take_none": (
        "Take none of them yet: even {run} is off by {error} grey levels, doing nothing by "
        "{identity}.",
        "아직 쓸 만한 실험이 없어요. 가장 나은 {run}도 오차가 {error}단계인데, 그대로 두면 "
        "{identity}단계예요.",
    ),
    "compare_identity": ("doing nothing: {value}", "그대로 둘 때: {value}"),
    "compare_texture_help": ("of what was removed", "지워진 피부결 가운데"),
    "compare_ranking": ("Ranking", "순위"),
    "compare_run": ("Run", "실험"),
    "compare_texture": ("Texture back", "되살린 피부결"),
    "compare_strength": ("Strength", "세기"),
    "compare_in_place": ("In place", "위치 일치"),
    "compare_steps": ("Steps", "스텝"),
    "compare_time": ("Time", "시간"),
    "compare_help": (
        "The order is by the sum of the places in error, recovered and texture back. All are "
        "measured on the training pairs, as a test does it. Strength is that of the skin's texture "
        "beside the true one: 1 is right, less is smooth, more is noise. In place: 1 is every pore "
        "where it was, 0 is mere grain.",
        "오차, 복원율, 되살린 피부결의 순위를 더해서 순서를 정했어요. 모두 학습에 쓴 사진을 "
        "테스트와 같은 방법으로 잰 값이에요. 세기는 실제 피부 피부결과 견준 값이에요. "
        "1\u2060이면 같고, 작으면 매끈하고, 크면 거칠어요. 위치 일치가 1\u2060이면 모공이 모두 "
        "제자리에 있고, 0\u2060이면 노이즈일 뿐이에요.",
    ),
    "compare_not_weighted": (
        "Never by G_L1: it contains lambda_L1, so the same number means another error in each run. "
        "In grey levels, G_L1 1.0 is worth (by lambda_L1): {worth}.",
        "G_L1 값으로는 순위를 정하지 않아요. lambda_L1\u2060이 곱해져 있어서 같은 숫자라도 "
        "실험마다 실제 오차가 달라요. G_L1 1.0\u2060은 몇 단계인지(괄호 안은 "
        "lambda_L1): {worth}.",
    ),
    "compare_next": ("What to do next", "다음에 할 일"),
    "compare_falling": (
        "The error was still falling: from {before} to {after} grey levels within the last quarter "
        "({fall}).",
        "오차가 아직 줄고 있었어요. 마지막 4분의 1 동안 {before}단계에서 {after}단계로 "
        "줄었어요({fall}).",
    ),
    "compare_smooth": (
        "{pair}: the texture has only {energy} times the strength of the true one (1 is right).",
        "{pair}: 피부결의 세기가 실제의 {energy}\u2060배뿐이에요(1\u2060이 맞아요).",
    ),
    "compare_noisy": (
        "{pair}: the texture has {energy} times the strength of the true one (1 is right).",
        "{pair}: 피부결의 세기가 실제의 {energy}\u2060배나 돼요(1\u2060이 맞아요).",
    ),
    "compare_misplaced": (
        "{pair}: texture of the right strength ({energy}) in the wrong place: it agrees with the "
        "true one by {coherence} (1 is every pore in its place).",
        "{pair}: 피부결의 세기({energy})는 맞지만 위치가 달라요. 실제 피부결과의 일치가 "
        "{coherence}\u2060예요(1\u2060이면 모공이 모두 제자리).",
    ),
    "compare_young": (
        "It has had {epochs} epochs; the guide calls {enough} enough.",
        "{epochs} 에포크만 학습했어요. 가이드에서는 {enough} 에포크면 충분하다고 해요.",
    ),
    "compare_harmful": (
        "{pair} is worse than before: off by {error} grey levels, doing nothing by {identity}.",
        "{pair}: 오히려 나빠졌어요. 오차가 {error}단계인데, 그대로 두면 {identity}단계예요.",
    ),
    "compare_recovered": (
        "{recovered} recovered: off by {error} grey levels, doing nothing by {identity}.",
        "복원율 {recovered}: 오차가 {error}단계, 그대로 두면 {identity}단계예요.",
    ),
    "compare_no_adversary": (
        "Raising or lowering lambda_L1 changes nothing here: without an adversary (lambda_GAN 0) "
        "it has nothing to weigh against.",
        "여기서는 lambda_L1을 바꿔도 소용없어요. 적대 손실이 없어서(lambda_GAN 0) 저울질할 "
        "상대가 없어요.",
    ),
    "compare_raise": (
        "Too little of the true texture: raise lambda_L1 from {now} to 400 or 500.",
        "피부결이 부족해요. lambda_L1을 {now}에서 400이나 500으로 올리세요.",
    ),
    "compare_raise_to": (
        "Too little of the true texture: raise lambda_L1 from {now} to {to}.",
        "피부결이 부족해요. lambda_L1을 {now}에서 {to}으로 올리세요.",
    ),
    "compare_lower": (
        "Unnatural: lower lambda_L1 from {now} to {to}.",
        "부자연스러워요. lambda_L1을 {now}에서 {to}으로 내리세요.",
    ),
    "compare_more_epochs": (
        "Not done yet: train for more epochs.",
        "아직 덜 됐어요. 에포크를 늘리세요.",
    ),
    "compare_more_minutes": (
        "Not done yet: train for longer.",
        "아직 덜 됐어요. 더 오래 학습하세요.",
    ),
    "compare_keep": ("Well done: keep it as it is.", "잘됐어요. 그대로 쓰세요."),
    "compare_stopped": ("Stopped early, at step {step}.", "{step} 스텝에서 일찍 멈췄어요."),
    "compare_failed": (
        "It failed; the weights are those of step {step}.",
        "실패했어요. 가중치는 {step} 스텝의 것이에요.",
    ),
    "compare_unfinished": (
        "No end is on record: it still trains, or was cut off. The weights are those of step "
        "{step}.",
        "끝난 기록이 없어요. 아직 학습 중이거나 도중에 끊겼어요. 가중치는 {step} 스텝의 것이에요.",
    ),
    "compare_short_log": (
        "Too few log lines ({lines}) to tell whether the error was still falling.",
        "로그가 {lines}줄뿐이라 오차가 아직 줄고 있었는지 알 수 없어요.",
    ),
    "compare_changed_data": (
        "The pairs have changed since it was trained; it is measured on what is there now.",
        "학습한 뒤에 사진이 바뀌었어요. 지금 있는 사진으로 쟀어요.",
    ),
    "compare_better_before": (
        "Its weights of epoch {epoch} were better ({error} grey levels): test them with "
        "--epoch best.",
        "{epoch} 에포크의 가중치가 더 나았어요({error}단계). --epoch best로 테스트해 보세요.",
    ),
    "compare_same_crop": ("The same place in every run", "모든 실험의 같은 곳"),
    "compare_show": ("What is shown", "보여 줄 것"),
    "compare_pictures": ("Pictures", "사진"),
    "compare_errors": ("Error maps", "오차 지도"),
    "compare_errors_help": (
        "Black is no error. The colours, in grey levels:",
        "검은색은 오차가 없는 곳이에요. 색이 뜻하는 단계:",
    ),
    "compare_crop": (
        "A part of {w} × {h} pixels of {W} × {H}, where the retouch took the most away.",
        "{W} × {H} 가운데 리터칭으로 가장 많이 바뀐 {w} × {h} 픽셀이에요.",
    ),
    "compare_note": ("{error} · {recovered}", "{error} · {recovered}"),
    "compare_by_step": ("Error by step", "스텝별 오차"),
    "compare_by_step_help": (
        "Error while training, in grey levels. How much a step does differs between settings.",
        "학습 중의 오차(단계)예요. 한 스텝의 양은 설정에 따라 달라요.",
    ),
    "compare_by_time": ("Error by time", "시간별 오차"),
    "compare_by_time_help": (
        "The same over wall time: what a run reaches in the time that you have.",
        "같은 오차를 걸린 시간에 따라 그렸어요. 주어진 시간에 어디까지 가는지 볼 수 있어요.",
    ),
    "compare_settings": ("What differs in the settings", "설정에서 다른 점"),
    "compare_settings_same": (
        "Nothing: the runs have the same settings.",
        "없어요. 설정이 모두 같아요.",
    ),
    "compare_setting": ("Setting", "설정"),
    "compare_left_out": ("Left out", "비교하지 않은 실험"),
    "compare_other_direction": (
        "It learns the other direction ({mine}): compare it with runs of the same direction.",
        "학습 방향이 달라요({mine}). 방향이 같은 실험끼리 비교하세요.",
    ),
    "compare_other_size": (
        "It was trained at {mine} pixels, the runs compared here at {theirs}: errors at different "
        "sizes cannot be compared.",
        "{mine} 픽셀로 학습했어요. 여기서 비교한 실험은 {theirs}\u2060이에요. 크기가 다르면 오차를 "
        "비교할 수 없어요.",
    ),
    "compare_other_pairs": (
        "It was trained on other pairs ({mine}) than the runs compared here.",
        "다른 사진 쌍({mine})으로 학습했어요.",
    ),
}


def compare_words() -> dict[str, dict[str, str]]:
    """Return all words of the page by language: those of every page and its own."""
    shared = tables()
    return {
        language: shared[language] | {key: texts[index] for key, texts in WORDS.items()}
        for index, language in enumerate(LANGUAGES)
    }
