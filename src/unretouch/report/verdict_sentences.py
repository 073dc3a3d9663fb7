"""What verdicts say, in English and in Korean. `{name}` stands for a value that is filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

LANGUAGES = ("en", "ko")

SENTENCES: dict[str, tuple[str, str]] = {
    # Did it memorise?
    "memorised_unknown": (
        "There are no training pairs to judge.",
        "판정할 학습 쌍이 없어요.",
    ),
    "memorised_all": (
        "All {count} training pairs are memorised; the least well, {pair}: {stands}.",
        "학습 쌍 {count}개를 모두 외웠어요. 가장 덜 외운 쌍은 {pair}: {stands}.",
    ),
    "memorised_one": (
        "The training pair is memorised; {pair}: {stands}.",
        "학습 쌍을 외웠어요. {pair}: {stands}.",
    ),
    "memorised_nearly": ("Nearly memorised.", "거의 외웠어요."),
    "memorised_not_yet": ("Not memorised yet.", "아직 외우지 못했어요."),
    "memorised_did_nothing": (
        "The model does next to nothing.",
        "모델이 거의 아무것도 바꾸지 않아요.",
    ),
    "memorised_harmful": (
        "The model makes it worse than it was.",
        "모델이 원래보다 더 나쁘게 만들어요.",
    ),
    "held_back": (
        "{pair} holds it back: {stands}; asked for: G_L1 at most {G_L1}, recovered share at least "
        "{share}.",
        "발목을 잡는 쌍은 {pair}: {stands}. 기준은 G_L1 {G_L1} 이하, 복원율 {share} 이상이에요.",
    ),
    "stands": (
        "G_L1 {weighted} at lambda {lambda_L1} (off by {error} grey levels), recovered share "
        "{share}",
        "lambda {lambda_L1}에서 G_L1 {weighted}(오차 {error}단계), 복원율 {share}",
    ),
    "stands_area": (
        "over the retouched area G_L1 {weighted} at lambda {lambda_L1} (off by {error} grey "
        "levels), recovered share {share}",
        "리터칭된 영역에서 lambda {lambda_L1}에 G_L1 {weighted}(오차 {error}단계), 복원율 {share}",
    ),
    "no_retouch": (
        "There is no retouch to judge: source and target differ only as two files do that were "
        "compressed apart.",
        "판정할 리터칭이 없어요. 입력과 정답은 따로 압축한 두 파일만큼만 달라요.",
    ),
    "stands_equal": (
        "G_L1 {weighted} at lambda {lambda_L1} (off by {error} grey levels), nothing to recover",
        "lambda {lambda_L1}에서 G_L1 {weighted}(오차 {error}단계), 복원할 것이 없음",
    ),
    # Is the texture back?
    "texture_unknown": (
        "Nothing can be said of texture: the retouch removed none.",
        "리터칭이 지운 피부결이 없어서 판정할 수 없어요.",
    ),
    "texture_back": (
        "The texture is back, in strength and in place; the least so: {stands}.",
        "피부결이 세기도 자리도 맞게 돌아왔어요. 가장 덜한 곳은 {stands}.",
    ),
    "texture_smooth": ("Still too smooth: {stands}.", "아직 너무 매끈해요. {stands}."),
    "texture_no_better": (
        "Less like the true skin than doing nothing or a grain overlay: {stands}.",
        "그대로 두거나 그레인을 얹은 것보다 진짜 피부와 덜 닮았어요. {stands}.",
    ),
    "texture_nothing": (
        "No texture was brought back: {stands}.",
        "돌아온 피부결이 없어요. {stands}.",
    ),
    "texture_grain": (
        "Grain, not this person's skin: texture of the right strength in the wrong place: "
        "{stands}.",
        "이 사람의 피부가 아니라 그레인이에요. 세기는 맞지만 자리가 틀려요. {stands}.",
    ),
    "texture_noisy": (
        "More texture than the untouched skin has: {stands}.",
        "리터칭 전 피부보다 결이 더 거칠어요. {stands}.",
    ),
    "texture_stands": (
        "{pair}, detail of {low} to {high} px: {energy} times the true strength (1 is right), "
        "coherence {coherence} with the true detail, {recovered} of it recovered",
        "{pair}의 {low}~{high} px 크기 결: 세기는 진짜의 {energy}배(1이 정답), 진짜와의 일치도 "
        "{coherence}, 복원된 몫 {recovered}",
    ),
    # Does it hold on unseen portraits?
    "unseen_unknown": (
        "Nothing is known about unseen portraits: there are no held-out pairs. Give some with "
        "--heldout, let --cross hold each pair out in turn, or try --self_test on an untouched "
        "photo.",
        "처음 보는 인물 사진에 대해서는 아무것도 알 수 없어요. 따로 남겨 둔 쌍이 없어요. "
        "--heldout으로 쌍을 주거나, --cross로 쌍을 하나씩 빼고 학습해 보거나, 리터칭하지 않은 "
        "사진으로 --self_test를 해 보세요.",
    ),
    "unseen_holds": ("It holds on unseen portraits:", "처음 보는 인물 사진에서도 통해요."),
    "unseen_holds_in_part": (
        "It holds in part on unseen portraits:",
        "처음 보는 인물 사진에서는 일부만 통해요.",
    ),
    "unseen_does_not_hold": (
        "It does next to nothing for unseen portraits:",
        "처음 보는 인물 사진에서는 거의 효과가 없어요.",
    ),
    "unseen_harmful": (
        "Careful: it makes unseen portraits worse than they were:",
        "주의: 처음 보는 인물 사진을 원래보다 더 나쁘게 만들어요.",
    ),
    "unseen_gap": (
        "mean recovered share {mean}, {gap} less than on the training pairs; the worst, {pair}, "
        "{share}.",
        "평균 복원율 {mean}, 학습 쌍보다 {gap} 낮아요. 가장 나쁜 쌍은 {pair}, {share}.",
    ),
    "unseen_gain": (
        "mean recovered share {mean}, {gap} more than on the training pairs; the worst, {pair}, "
        "{share}.",
        "평균 복원율 {mean}, 학습 쌍보다 {gap} 높아요. 가장 나쁜 쌍은 {pair}, {share}.",
    ),
    "unseen_alone": (
        "mean recovered share {mean}; the worst, {pair}, {share}.",
        "평균 복원율 {mean}. 가장 나쁜 쌍은 {pair}, {share}.",
    ),
    "harm_skin": (
        "There the skin was made worse by {harm} grey levels.",
        "그 쌍의 피부가 {harm}단계 더 나빠졌어요.",
    ),
    "harm_elsewhere": (
        "There what is not skin was made worse by {harm} grey levels.",
        "그 쌍의 피부가 아닌 곳이 {harm}단계 더 나빠졌어요.",
    ),
    "self_test": (
        "A hint, no proof, from photos that the simulated retoucher treated:",
        "리터칭을 흉내 낸 사진에서 본 결과예요. 힌트일 뿐 증거는 아니에요.",
    ),
    # Memory or skill?
    "probe_unknown": (
        "Nothing to probe: too little is recovered from the unchanged pictures.",
        "바꾸지 않은 사진에서도 복원된 것이 너무 적어 알아볼 수 없어요.",
    ),
    "probe_skill": ("Small changes do not throw it off:", "작은 변화에 흔들리지 않아요."),
    "probe_in_between": ("Partly skill, partly memory:", "일부는 실력, 일부는 기억이에요."),
    "probe_memory": ("It knows these pixels by heart:", "이 픽셀들을 통째로 외웠어요."),
    "probe_stands": (
        "unchanged it recovers {unchanged}, under the worst kind of change ({change}) {left}.",
        "그대로일 때 복원율 {unchanged}, 가장 많이 떨어지는 변화({change})에서 {left}.",
    ),
    "change_shift": ("shift", "밀기"),
    "change_mirror": ("mirror", "좌우 반전"),
    "change_brightness": ("brightness", "밝기"),
    "change_noise": ("noise", "노이즈"),
    "change_crop": ("crop", "자르기"),
}


@dataclass(frozen=True)
class Phrase:
    """One entry of SENTENCES with its values; a value may be a phrase itself."""

    key: str
    values: Mapping[str, str | Phrase] = field(default_factory=dict)

    def say(self, language: str = "en") -> str:
        """Return the phrase in that language of LANGUAGES."""
        values = {
            name: value.say(language) if isinstance(value, Phrase) else value
            for name, value in self.values.items()
        }
        return SENTENCES[self.key][LANGUAGES.index(language)].format(**values)


def say(phrases: Sequence[Phrase], language: str = "en") -> str:
    """Return the phrases one after the other."""
    return " ".join(phrase.say(language) for phrase in phrases)
