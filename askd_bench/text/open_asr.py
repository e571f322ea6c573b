"""The Open ASR Leaderboard's English normaliser, expressed as its differences from OpenAI's.

Source: github.com/huggingface/open_asr_leaderboard, `normalizer/normalizer.py` and `normalizer/english_abbreviations.py`, as of June 2026
(unchanged in August 2026). Written anew from their behaviour; the spelling, name and compound pairs below are theirs.

Differences from `whisper-english`, in the order in which they act:
    1. more fillers disappear ("ah", "huh", "em", ...);
    2. "'s" becomes " is" only after a pronoun or a question word, so that "John's" keeps its "s";
    3. compounds are joined after hyphens are gone ("wi-fi" -> "wifi"), before numbers are read;
    4. some spellings differ, some variants of names are one name;
    5. runs of single letters or digits are joined ("B B C" -> "bbc", "five G" -> "5g"); runs with "a" or "i" from three on.

Ellipses are not removed first: a stray "." counts as a word, as it does there. The leaderboard's scorer then also forgives split compounds
while it aligns ("white paper" = "whitepaper"); that is no normalisation and is not done here, so its published rates are lower by a little.
"""

import re
from itertools import groupby

from whisper_normalizer.english import EnglishTextNormalizer

from askd_bench.text.whisper import Normaliser, openai_english

_FILLERS = r"\b(hmm|mm|mhm|mmm|uh|um|ah|aha|ahh|ahm|eh|ehehe|em|hm|huh|hum|mhum|uhm|umm|uhuh)\b"
_IS = r"\b(it|he|she|what|that|who|here|there|how|when|where|why|this)'s\b"

_COMPOUNDS = (
    "et cetera etc; al right alright; all right alright; how ever however; wi fi wifi; hi fi hifi; lo fi lofi; sci fi scifi; "
    "e mail email; e book ebook; e commerce ecommerce; x ray xray; t shirt tshirt; a m am; p m pm; o k okay"
)

_SPELLINGS_ADDED = {
    "archaeological": "archeological",
    "archaeology": "archeology",
    "cancellation": "cancelation",
    "cancellations": "cancelations",
    "etcetera": "etc",
    "flyer": "flier",
    "kay": "okay",
    "mm": "hmm",
    "ok": "okay",
    "pummelled": "pummeled",
    "pummelling": "pummeling",
    "snowploughs": "snowplows",
    "travelogue": "travelog",
    "travelogues": "travelogs",
}
_SPELLINGS_DROPPED = ("archeological", "cancelation", "cancelations", "flyer / flier", "travelog", "travelogs")

_NAMES = """
    aaron: aron; alfonso: alphonso; alison: allison alyson; allen: alan allan; anne: ann; anthony: antony; arthur: artur; brett: bret;
    brian: bryan; bridget: bridgette; caitlin: kaitlin kaitlyn katelyn; carl: karl; carol: carole carrol carroll;
    catherine: catharine katherine kathryn; cathy: kathy; charlie: charley charly; chris: kris; christina: kristina;
    christopher: cristopher kristopher; colin: collin; deborah: devorah; dennis: denis; dominic: dominick; douglas: douglass;
    dylan: dillon; eric: erick erik; fatima: fatimah; frederick: frederik fredrick; gail: gayle; gary: garry; greg: gregg;
    henry: henri; ivonne: yvonne; jackie: jacky; jamie: jaime; jason: jayson; jeff: geoff; jeffrey: geoffrey jeffery;
    joanne: joane joann; john: jon; jonathan: johnathan jonathon; joseph: josef; karen: caren caryn karin; kelly: kelley kelli kellye;
    kevin: kevan; kristin: kristen; laurie: lori; lawrence: laurence; lee: leigh; leslie: lesley; lily: lilly; linda: lynda;
    lindsay: lindsey linsey; louis: lewis; lucas: lukas; lynn: lynne; mark: marc; martin: martyn; matthew: mathew; mcarthur: macarthur;
    mccarthy: macarthy maccarthy; mccartney: macartney; mcdonald: macdonald; mcgowan: macgowan; mcintosh: macintosh;
    mcintyre: macintyre; mckay: mackay; mckenzie: mackenzie; mclean: maclean; mcleod: macleod; mcmillan: macmillan;
    mcnamara: macnamara; megan: meghan; michael: micheal; michelle: michele; miriam: myriam;
    mohammed: mahomet mohamad mohamed mohammad mouhamad mouhamed muhamad muhammad muhammed; molly: mollie; natalie: nathalie;
    neil: neal; nicholas: nicolas; nicole: nikole; patrick: patrik; peter: pieter; philip: phillip; rachel: rachael; rajiv: rajeev;
    rebecca: rebekah; rob: robb; robin: robyn; roger: rodger; ronda: rhonda; russell: russel; sally: sallie; sarah: sara;
    sean: shaun shawn; shane: shayne; sherry: cheri sheri sherrie; simon: symon; stacy: stacey stacie; steven: stephen;
    stuart: stewart; susanne: suzanne; teresa: theresa; terry: terri; thomas: tomas; toby: tobey; tony: toni; tracy: tracey tracie;
    veronica: veronika; victor: viktor; victoria: viktoria; walter: walther; yousef: yusef yusuf; zach: zak; zachary: zachery zackary
"""


def open_asr_normaliser() -> Normaliser:
    """Build the normaliser (once: `askd_bench.text.normaliser` keeps it).

    >>> open_asr_normaliser()("Ah, the B B C has five G wi-fi; John's okay.")
    'the bbc has 5g wifi john s okay'
    """
    whisper: EnglishTextNormalizer = openai_english()
    whisper.ignore_patterns = _FILLERS
    whisper.replacers = {
        (_IS if pattern == r"'s\b" else pattern): (r"\1 is" if pattern == r"'s\b" else text) for pattern, text in whisper.replacers.items()
    }
    compounds = [_compound(entry) for entry in _COMPOUNDS.split("; ")]
    numbers, spellings = whisper.standardize_numbers, whisper.standardize_spellings
    spellings.mapping = {k: v for k, v in spellings.mapping.items() if k not in _SPELLINGS_DROPPED} | _SPELLINGS_ADDED
    names = _name_table()

    def join_compounds_then_numbers(text: str) -> str:
        for pattern, joined in compounds:
            text = pattern.sub(joined, text)
        return str(numbers(text))

    def spell_then_name_then_join(text: str) -> str:
        return _join_acronyms([names.get(word, word) for word in str(spellings(text)).split()])

    whisper.standardize_numbers = join_compounds_then_numbers
    whisper.standardize_spellings = spell_then_name_then_join
    return lambda text: " ".join(whisper(text).split())


def _compound(entry: str) -> tuple[re.Pattern[str], str]:
    *parts, joined = entry.split()
    return re.compile(r"\b" + r"\s+".join(parts) + r"\b"), joined


def _name_table() -> dict[str, str]:
    """Return variant -> name."""
    entries = (entry.split(":") for entry in _NAMES.split(";"))
    return {variant: name.strip() for name, variants in entries for variant in variants.split()}


def _join_acronyms(words: list[str]) -> str:
    out: list[str] = []
    for single, group in groupby(words, key=lambda word: len(word) == 1 and word.isalnum()):
        run = list(group)
        least = 3 if "a" in run or "i" in run else 2
        out += ["".join(run)] if single and len(run) >= least else run
    return " ".join(out)
