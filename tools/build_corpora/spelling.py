"""Standard spelling for words that scripts spell as they sound, so that an accent is not charged for its spelling.

A recogniser writes "doing" for what a script calls "doin'"; counted as errors, such words would single out the characters with accents.
Hesitations (er, erm) are written the way that the Whisper normaliser knows and removes. Words with a spelling of their own ('em, gonna,
m'lord, ain't, and "me" for "my") stay.
"""

import re

STANDARD = {
    "'an": "and",
    "'ave": "have",
    "'bout": "about",
    "'cos": "because",
    "'course": "course",
    "'eard": "heard",
    "'im": "him",
    "'obbins": "Hobbins",
    "'til": "till",
    "d'you": "do you",
    "economic'ly": "economically",
    "er": "uh",
    "erm": "um",
    "err": "uh",
    "errr": "uh",
    "hmmmm": "hmm",
    "mmmm": "mmm",
    "mmmmm": "mmm",
    "refered": "referred",
    "soooo": "so",
    "vaccuum": "vacuum",
    "whoah": "whoa",
    "y'know": "you know",
    "y'self": "yourself",
    "yerself": "yourself",
}
_WORD = re.compile(r"(?<![A-Za-z0-9'])'?[A-Za-z]+(?:'[A-Za-z]+)*")
_DROPPED_G = re.compile(r"([A-Za-z]in)'(?![A-Za-z])", re.IGNORECASE)


def standard_spelling(text: str) -> str:
    """Respell the words of `STANDARD` and dropped g's; case follows the word replaced.

    >>> standard_spelling("WHAT d'you want? Nothin'! Never 'EARD of 'im.")
    'WHAT do you want? Nothing! Never HEARD of him.'
    """
    return _DROPPED_G.sub(lambda match: match[1] + ("G" if match[1].isupper() else "g"), _WORD.sub(_respelled, text))


def _respelled(match: re.Match[str]) -> str:
    word = match[0]
    standard = STANDARD.get(word.lower())
    if standard is None:
        return word
    letters = word.replace("'", "")
    if letters.isupper() and len(letters) > 1:
        return standard.upper()
    return standard[0].upper() + standard[1:] if letters[0].isupper() and word[0] != "'" else standard
