"""Every sentence of the app's pages, in English and in Korean; the reports' words are there, too.

`{name}` stands for a value that the page fills in.
"""

from __future__ import annotations

from unretouch.report.words import LANGUAGES
from unretouch.report.words import tables as report_tables

WORDS: dict[str, tuple[str, str]] = {
    # Where things are
    "runs": ("Runs", "학습 목록"),
    "all_runs": ("All runs", "전체 목록"),
    "new_run": ("New run", "새 학습"),
    "tab_watch": ("Training", "학습"),
    "tab_trial": ("Restore a photo", "사진 복원"),
    "tab_outcome": ("Results", "결과"),
    "run_pages": ("Pages of this run", "이 학습의 화면"),
    # All runs
    "empty_title": ("Bring real skin texture back", "피부의 원래 결을 되살려요"),
    "empty_help": (
        "Show the program a few portraits before and after retouching. It learns the way back, "
        "and you can watch it do so.",
        "보정 전과 후의 인물 사진을 몇 장 보여 주세요. 되돌리는 방법을 배우고, 그 과정을 "
        "지켜볼 수 있어요.",
    ),
    "empty_one": ("Drop pairs", "사진 쌍 올리기"),
    "empty_one_help": (
        "Three are enough to begin. Without pairs, untouched portraits will do.",
        "세 쌍이면 시작할 수 있어요. 쌍이 없으면 보정하지 않은 사진만 있어도 돼요.",
    ),
    "empty_two": ("Watch it learn", "학습 지켜보기"),
    "empty_two_help": (
        "Ten minutes on an ordinary computer. Stop and go on whenever you like.",
        "보통 컴퓨터로 10분이면 돼요. 언제든 멈추고 이어서 할 수 있어요.",
    ),
    "empty_three": ("Restore photos", "사진 복원하기"),
    "empty_three_help": (
        "Compare before and after, then save the result at full size.",
        "전후를 비교해 보고 원래 크기로 저장해요.",
    ),
    "stays_here": (
        "Everything stays on this computer. Nothing is sent anywhere.",
        "모든 사진은 이 컴퓨터에만 있어요. 어디에도 보내지 않아요.",
    ),
    "compare_runs": ("Compare all runs", "전체 비교"),
    "comparing": ("Comparing…", "비교하는 중…"),
    "run_error": ("error {value}", "오차 {value}"),
    "run_recovered": ("{value} recovered", "복원율 {value}"),
    "run_harms": ("worse than doing nothing", "그대로 둘 때보다 나빠요"),
    "run_left": ("{time} left", "{time} 남음"),
    "run_took": ("took {time}", "{time} 걸림"),
    "not_yet": ("no figures yet", "아직 수치 없음"),
    # A new run: pairs
    "step_pairs": ("Pairs", "사진 쌍"),
    "step_training": ("Training", "학습 방법"),
    "step_start": ("Name and start", "이름과 시작"),
    "what_have": ("What do you have?", "어떤 사진이 있나요?"),
    "kind_whole": ("Pairs in one picture", "한 장에 합친 쌍"),
    "kind_whole_help": ("left A retouched, right B before", "왼쪽 A 보정 후, 오른쪽 B 보정 전"),
    "kind_two": ("Two pictures each", "두 장씩 나뉜 쌍"),
    "kind_two_help": ("the same names in both groups", "두 묶음의 파일 이름이 같아야 해요"),
    "kind_photo": ("Untouched portraits only", "보정 전 사진만"),
    "kind_photo_help": ("their retouch is simulated", "보정한 모습은 만들어 드려요"),
    "drop_whole": ("Drop pictures A|B here", "A|B 사진을 여기에 놓으세요"),
    "drop_a": ("Drop A here: retouched", "A(보정 후)를 여기에 놓으세요"),
    "drop_b": ("Drop B here: before retouching", "B(보정 전)를 여기에 놓으세요"),
    "drop_photo": ("Drop untouched portraits here", "보정하지 않은 사진을 여기에 놓으세요"),
    "or_choose": ("or choose files", "또는 파일 고르기"),
    "drop_limits": (
        "PNG, JPEG or WebP, up to {pixels} megapixels each",
        "PNG, JPEG, WebP, 한 장에 {pixels}00만 화소까지",
    ),
    "waiting_partner": ("waits for its partner of the same name", "이름이 같은 짝을 기다려요"),
    "sending": ("Sending…", "올리는 중…"),
    "checking": ("Checking…", "확인하는 중…"),
    "simulating": ("Simulating the retouch…", "보정한 모습을 만드는 중…"),
    "pair_size": ("{width} × {height}", "{width} × {height}"),
    "pair_difference": (
        "A and B differ by {value} grey levels",
        "A와 B의 차이 {value}단계",
    ),
    "pair_fine": ("ready", "준비됐어요"),
    "side_a": ("A, retouched", "A, 보정 후"),
    "side_b": ("B, before", "B, 보정 전"),
    "remove": ("Remove", "빼기"),
    "remove_named": ("Remove {name}", "{name} 빼기"),
    "counted_one": ("1 pair is ready", "1쌍이 준비됐어요"),
    "counted": ("{count} pairs are ready", "{count}쌍이 준비됐어요"),
    "counted_bad": ("{count} left out", "{count}개는 제외"),
    "swap": (
        "The sides are swapped: A is the one before retouching",
        "A와 B가 바뀌었어요. A가 보정 전이에요",
    ),
    "doubt_same": (
        "A and B are the same picture: there is nothing to learn from it.",
        "A와 B가 같은 사진이에요. 배울 것이 없어요.",
    ),
    "doubt_unlike": (
        "A and B are hardly the same picture (correlation {correlation}). Is it a pair?",
        "A와 B가 다른 사진처럼 보여요(상관 {correlation}). 같은 사진의 쌍이 맞나요?",
    ),
    "doubt_shifted": (
        "B is shifted by {dx}, {dy} pixels against A. Align the two, or it learns to move the "
        "picture.",
        "B가 A보다 {dx}, {dy} 픽셀 밀려 있어요. 맞추지 않으면 사진을 옮기는 것까지 배워요.",
    ),
    "doubt_swapped": (
        "A has {ratio} times the fine detail of B. Are the sides swapped?",
        "A의 디테일이 B의 {ratio}배예요. 양쪽이 바뀌지 않았나요?",
    ),
    "doubt_other": ("{text}", "{text}"),
    "problem_pair": ("{side} {text}", "{side} {text}"),
    "problem_odd": (
        "It is {width} pixels wide, which does not halve into A and B.",
        "너비가 {width}픽셀이라 A와 B로 똑같이 나눌 수 없어요.",
    ),
    "problem_sizes": (
        "A is {a}, B is {b}: both must have one size.",
        "A는 {a}, B는 {b}예요. 두 사진의 크기가 같아야 해요.",
    ),
    # A new run: training
    "preset_fast": ("Fast", "빠르게"),
    "preset_fast_help": (
        "Full size, for as long as you say. Begins by doing nothing wrong and gets better from "
        "there.",
        "원래 크기로, 정한 시간만큼 학습해요. 아무것도 망치지 않는 상태에서 시작해 점점 나아져요.",
    ),
    "recommended": ("recommended", "추천"),
    "preset_balanced": ("Balanced", "균형"),
    "preset_strong": ("Strong", "강하게"),
    "preset_extreme": ("Extreme", "극한"),
    "preset_guide_help": (
        "pix2pix at 512 × 512: lambda_L1 {weight}, {epochs} + {epochs} epochs, lr {lr}",
        "pix2pix, 512 × 512: lambda_L1 {weight}, {epochs} + {epochs} 에포크, lr {lr}",
    ),
    "preset_hours": (
        "Many hours without a graphics card",
        "그래픽 카드가 없으면 여러 시간이 걸려요",
    ),
    "minutes_label": ("Minutes", "분"),
    "more_options": ("The commands of the guide", "가이드의 명령"),
    # A new run: start
    "name_label": ("Name of the run", "학습 이름"),
    "name_help": (
        "Letters of any script, digits, - and _",
        "한글, 영문, 숫자, -, _를 쓸 수 있어요",
    ),
    "start": ("Start training", "학습 시작"),
    "starting": ("Starting…", "시작하는 중…"),
    "need_pairs": ("Add at least one pair first.", "먼저 쌍을 하나 이상 올려 주세요."),
    # Watching
    "stop": ("Stop and save", "저장하고 멈추기"),
    "stopping": ("Saving…", "저장하는 중…"),
    "go_on": ("Go on", "이어서 하기"),
    "train_longer": ("Train longer", "더 학습하기"),
    "more_minutes": ("more minutes", "분 더"),
    "more_epochs": ("more epochs", "에포크 더"),
    "leave_help": (
        "You can close this page: the training goes on.",
        "이 창을 닫아도 학습은 계속돼요.",
    ),
    "said": ("What the program said last", "프로그램의 마지막 메시지"),
    "reason_interrupted": (
        "Stopped and saved. “Go on” continues exactly where it was.",
        "저장하고 멈췄어요. ‘이어서 하기’를 누르면 그 자리에서 그대로 이어져요.",
    ),
    "reason_terminated": (
        "The system asked it to stop, and it saved. “Go on” continues exactly there.",
        "시스템이 종료를 요청해서 저장하고 멈췄어요. ‘이어서 하기’를 누르면 이어져요.",
    ),
    "reason_checking": (
        "The training is done; now the result is measured.",
        "학습은 끝났고, 지금 결과를 재고 있어요.",
    ),
    "reason_gone": (
        "The training ended without a word, as when the power goes. “Go on” continues from the "
        "last save.",
        "전원이 꺼진 것처럼 학습이 갑자기 끝났어요. ‘이어서 하기’를 누르면 마지막 저장부터 "
        "이어져요.",
    ),
    "reason_failed": (
        "The training ended with an error.",
        "오류가 나서 학습이 끝났어요.",
    ),
    "reason_disk_full": (
        "The disk is full. Free some space, then “Go on”.",
        "디스크가 가득 찼어요. 공간을 비우고 ‘이어서 하기’를 누르세요.",
    ),
    "silent": (
        "No news for {time}. The computer may be busy.",
        "{time} 동안 소식이 없어요. 컴퓨터가 바쁠 수 있어요.",
    ),
    # Restoring
    "trial_help": (
        "The closer a photo is to the training pairs, the better it works.",
        "학습한 사진과 비슷할수록 잘 돼요.",
    ),
    "drop_trial": ("Drop photos here", "사진을 여기에 놓으세요"),
    "strength": ("Strength", "세기"),
    "strength_help": ("100% is as it learnt", "100%\u2060가 배운 그대로예요"),
    "mask": ("Where", "어디에"),
    "mask_everywhere": ("everywhere", "전체"),
    "mask_skin": ("skin", "피부"),
    "mask_learnt": ("what the pairs changed", "쌍에서 바뀐 곳"),
    "restoring": ("Restoring {name}", "{name} 복원 중"),
    "in_queue": ("waits", "대기 중"),
    "cancel": ("Cancel", "취소"),
    "cancelled": ("cancelled", "취소했어요"),
    "restored_done": ("{name} is restored.", "{name} 복원을 마쳤어요."),
    "download_picture": ("Save PNG at full size", "원래 크기 PNG로 저장"),
    "again": ("Restore again with these settings", "이 설정으로 다시 복원"),
    "no_model_yet": (
        "There is no model yet. It comes with the first save of the training.",
        "아직 모델이 없어요. 학습이 처음 저장되면 생겨요.",
    ),
    # Results and model
    "on_pairs": ("On its training pairs", "학습한 사진으로 확인"),
    "on_pairs_help": (
        "Did it memorise them? fake_B should be very close to real_B.",
        "잘 외웠는지 봐요. fake_B가 real_B와 아주 비슷해야 해요.",
    ),
    "test_now": ("Test", "테스트하기"),
    "testing": ("Testing…", "테스트하는 중…"),
    "open_results": ("Open the results", "결과 열기"),
    "verify_title": ("Report", "보고서"),
    "verify_help": (
        "Is the texture back, and does it hold on portraits it has never seen?",
        "피부 결이 돌아왔는지, 처음 보는 사진에서도 되는지 확인해요.",
    ),
    "verify_now": ("Verify", "검증하기"),
    "verifying": ("Verifying, this takes a while…", "검증하는 중이에요. 시간이 걸려요…"),
    "open_report": ("Open the report", "보고서 열기"),
    "model": ("Model", "모델"),
    "model_help": (
        "The classic weights file. It can be loaded by pix2pix programs that know the generator. "
        "A model that has memorised portraits contains them: share it as you would the photos.",
        "기존 형식의 가중치 파일이에요. 인물 사진을 외운 모델에는 그 얼굴이 들어 있으니, "
        "사진처럼 조심해서 공유하세요.",
    ),
    "download_model": ("Save latest_net_G.pth ({size})", "latest_net_G.pth 저장 ({size})"),
    "terminal": ("The same in a terminal", "터미널에서 똑같이"),
    "terminal_help": (
        "This is an ordinary run folder. These commands give the same, bit for bit.",
        "평범한 학습 폴더예요. 아래 명령의 결과는 비트까지 똑같아요.",
    ),
    # What the app refuses
    "refused_length": ("The size of the file was not told.", "파일 크기를 알 수 없어요."),
    "refused_bytes": ("The file is larger than {limit} MB.", "파일이 {limit} MB보다 커요."),
    "refused_pixels": (
        "The picture has more than {limit} megapixels.",
        "사진이 {limit}00만 화소보다 커요.",
    ),
    "refused_kind": (
        "This is not a PNG, JPEG or WebP picture.",
        "PNG, JPEG, WebP 사진이 아니에요.",
    ),
    "refused_slow": ("The file came too slowly.", "파일이 너무 느리게 왔어요."),
    "refused_short": ("The file did not arrive whole.", "파일이 끝까지 오지 않았어요."),
    "refused_pairs": ("More than {limit} pairs.", "{limit}쌍보다 많아요."),
    "refused_busy": (
        "Too many photos are waiting. Try again in a moment.",
        "기다리는 사진이 너무 많아요. 잠시 뒤에 다시 해 주세요.",
    ),
    "refused_long": (
        "It took too long and was given up.",
        "너무 오래 걸려서 그만뒀어요.",
    ),
    "refused_work": ("It did not work: {text}", "하지 못했어요: {text}"),
    "refused_value": ("One of the values is out of range.", "값이 범위를 벗어났어요."),
    "refused_name": ("{text}", "이 이름은 쓸 수 없어요: {text}"),
    "refused_taken": (
        "There is already a run or a folder of pairs named {name}. Choose another name.",
        "{name}\u2060이라는 학습이나 사진 폴더가 이미 있어요. 다른 이름을 골라 주세요.",
    ),
    "refused_no_pairs": ("No pair is ready.", "준비된 쌍이 없어요."),
    "refused_no_weights": ("There is no model yet.", "아직 모델이 없어요."),
    "refused_running": ("It is being trained already.", "이미 학습 중이에요."),
    "refused_not_running": ("It is not being trained now.", "지금은 학습 중이 아니에요."),
    "refused_other_running": (
        "{name} is being trained. Stop it first: two at once only slow each other down.",
        "{name} 학습 중이에요. 먼저 멈춰 주세요. 동시에 하면 둘 다 느려져요.",
    ),
    "refused_foreign": (
        "This run has no config.json: another program made it.",
        "config.json이 없어요. 다른 프로그램이 만든 학습이에요.",
    ),
    "refused_unknown": (
        "It is not there any more. Load the page again.",
        "더 이상 없어요. 페이지를 새로고침해 주세요.",
    ),
    "unreachable": (
        "The app does not answer. Start it again: unretouch serve. A training goes on meanwhile.",
        "앱이 응답하지 않아요. unretouch serve를 다시 실행하세요. 학습은 그동안에도 계속돼요.",
    ),
    "no_script_app": (
        "The app needs JavaScript.",
        "이 앱은 자바스크립트가 필요해요.",
    ),
}


def tables() -> dict[str, dict[str, str]]:
    """Return the words by language and key: the reports' and ours, ours where both have a key."""
    words = {language: dict(table) for language, table in report_tables().items()}
    for index, language in enumerate(LANGUAGES):
        words[language] |= {key: texts[index] for key, texts in WORDS.items()}
    return words
