"""Guessing the languages of a message for stemming: by script, and by words that only some languages use.

A wrong guess costs a few stems too many or too few; whole words and parts of words are found without stems.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from functools import lru_cache

from backscroll.core.text import fold

ALGORITHMS: Mapping[str, str] = {
    "a": "english",
    "b": "portuguese",
    "c": "spanish",
    "d": "german",
    "e": "italian",
    "f": "french",
    "g": "dutch",
    "h": "swedish",
    "i": "danish",
    "j": "norwegian",
    "k": "finnish",
    "l": "hungarian",
    "m": "romanian",
    "n": "turkish",
    "o": "indonesian",
    "p": "catalan",
    "q": "polish",
    "r": "czech",
    "R": "russian",
    "A": "arabic",
    "G": "greek",
    "H": "hindi",
    "T": "tamil",
    "M": "armenian",
}
"""Snowball's name of each language, by the letter that stands for it in a term. Capitals go by their script alone."""

LATIN = "abcdefghijklmnopqr"
UNSURE = "abcdef"
"""Used together if the language is unclear, on words of at least ``UNSURE_LETTERS`` letters."""
STEM_LETTERS, UNSURE_LETTERS = 3, 5
_TOO_MANY = 5
"""If this many languages are level, there is no guess."""

_SCRIPTS = (
    ("\u0370", "\u03ff", "G"),
    ("\u1f00", "\u1fff", "G"),
    ("\u0400", "\u052f", "R"),
    ("\u0530", "\u058f", "M"),
    ("\u0600", "\u06ff", "A"),
    ("\u0750", "\u077f", "A"),
    ("\u0900", "\u097f", "H"),
    ("\u0b80", "\u0bff", "T"),
)

_FUNCTION_WORDS = {
    "a": "the of and to in is you that it he was for on are with as his they at be this have from or had by but not "
    "what all were we when your can said there an each which she do how their if will about out then them these "
    "so some her would has him more my than been its who did get our just where please thanks",
    "b": "o a os as um uma de do da dos das em no na nos nas ao aos e ou mas que se por para com sem sobre não sim eu "
    "tu ele ela nós você vocês eles elas meu minha seu sua isso isto este esta foi ser está são tem ter mais "
    "muito também já quando como onde porque pra obrigado obrigada bom dia",
    "c": "el la los las un una unos unas de del al en y o pero que se por para con sin sobre no sí yo tú él ella "
    "nosotros usted ustedes ellos ellas mi su este esta esto eso fue ser está son tiene más muy también ya cuando "
    "como donde porque hay lo le les nos gracias hola hasta desde pues",
    "d": "der die das den dem des ein eine einen einem einer und oder aber nicht ich du er sie es wir ihr mein dein "
    "sein ist sind war waren hat haben wird werden kann mit von zu zum zur auf für im in an am bei nach aus wie "
    "was wer wo wenn dass auch noch nur schon sehr mir mich dich bitte danke ja nein",
    "e": "il lo la i gli le un uno una di del della dei delle a al alla in nel nella e o ma che se per con senza su "
    "non io tu lui lei noi voi loro mio tuo suo questo questa quello è sono era ha hanno più molto anche già "
    "quando come dove perché ci vi mi ti si grazie ciao sì",
    "f": "le la les un une des du de au aux et ou mais que qui se pour par avec sans sur ne pas je tu il elle nous "
    "vous ils elles mon ma mes ton ta son sa ses ce cette ces est sont était a ont plus très aussi déjà quand "
    "comme où parce dans en y on merci bonjour oui non l d c",
    "g": "de het een en of maar dat die dit is zijn was waren heeft hebben wordt worden kan met van voor op in aan bij "
    "naar uit als wat wie waar niet geen ik jij je hij zij ze wij we jullie mijn jouw ook nog wel heel er om te "
    "door over bedankt graag ja nee moet",
    "h": "och att det som en ett på är av för med den till i inte jag du han hon vi ni de har hade var kan ska skulle "
    "men om så från när hur vad vem där här också bara mycket min din sin ingen efter tack hej nej mig dig sig "
    "blir vill",
    "i": "og at det som en et på er af for med den til i ikke jeg du han hun vi de har havde var kan skal men om så "
    "fra når hvordan hvad hvem hvor der her også kun meget min din sin ingen efter tak hej nej mig dig sig bliver "
    "vil lige",
    "j": "og at det som en ei et på er av for med den til i ikke jeg du han hun vi de har hadde var kan skal men om så "
    "fra når hvordan hva hvem hvor der her også bare mye min din sin ingen etter takk hei nei meg deg seg blir "
    "vil",
    "k": "ja on ei se että oli ovat olen olet olemme mutta kun niin myös mitä mikä kuka missä miksi jos tai vai hän "
    "minä sinä me te he minun sinun hänen tämä tuo nyt vain jo kanssa ole olla kuin siis sitten kiitos hei hyvä "
    "joka jotka ehkä",
    "l": "a az és egy nem hogy is van volt meg de ha csak már még mert vagy mint ez azt ezt itt ott én te ő mi ti ők "
    "ki mit hol mikor miért hogyan nagyon jó lesz lehet kell volna majd után szia köszönöm igen neked nekem "
    "vagyok vannak",
    "m": "și în de la cu pe un o nu că este sunt era au are să se din pentru care mai dar ce cine unde când cum dacă "
    "eu tu el ea noi voi ei ele meu mea tău lui lor acest această foarte doar deja după fără mulțumesc bună da te "
    "mă",
    "n": "ve bir bu da de için ile çok ne var yok değil mi mı mu mü ben sen o biz siz onlar ama gibi daha kadar en her "
    "şey olan olarak sonra önce nasıl neden nerede kim şimdi evet hayır teşekkürler merhaba tamam benim senin "
    "bana sana ki",
    "o": "yang dan di ke dari ini itu untuk dengan tidak ada akan pada saya kamu dia kami kita mereka anda adalah atau "
    "juga sudah bisa karena jika kalau apa siapa mana kapan bagaimana kenapa lagi saja hanya sangat lebih telah "
    "oleh seperti terima kasih ya tapi belum",
    "p": "el la els les un una uns unes de del dels al als en i o però que es per amb sense sobre no jo tu ell ella "
    "nosaltres vostè ells meu seva aquest aquesta això va ser és són té més molt també ja quan com on perquè hi "
    "ho li gràcies fins des",
    "q": "i w na z do nie się że to jest są był była było jak ale o za od po czy tak już co kto gdzie kiedy dlaczego "
    "jeśli lub albo ja ty on ona my wy oni mój twój jego jej ten ta te tylko bardzo też dla przez przy mam masz "
    "ma dziękuję proszę",
    "r": "a i v na s do ne se že to je jsou byl byla bylo jak ale o za od po už co kdo kde kdy proč jestli nebo já ty "
    "on ona my vy oni můj tvůj jeho její ten ta jen velmi také pro při mám máš má tak jsem jsi díky prosím ano",
}  # fmt: skip

_TELLING_LETTERS = {
    "b": "ãõçâêô",
    "c": "ñ¿¡",
    "d": "ßäöü",
    "e": "ìòù",
    "f": "çêîôûëïœù",
    "g": "ĳ",
    "h": "åäö",
    "i": "åæø",
    "j": "åæø",
    "k": "äö",
    "l": "őűöüáé",
    "m": "ăâîșțşţ",
    "n": "ğışçöü",
    "p": "çàèòï",
    "q": "ąęłńśźżćó",
    "r": "ěřůščžýí",
}


def _by_item(table: Mapping[str, Collection[str]]) -> dict[str, tuple[str, int]]:
    """Each item with the languages that have it and what it counts: twice as much where it is one language's own."""
    languages: dict[str, str] = {}
    for language, items in table.items():
        for item in sorted(set(items)):
            languages[item] = languages.get(item, "") + language
    return {item: (found, 2 if len(found) == 1 else 1) for item, found in languages.items()}


_WORDS = _by_item({language: {fold(word) for word in words.split()} for language, words in _FUNCTION_WORDS.items()})
_LETTERS = _by_item(_TELLING_LETTERS)
_KNOWN_WORDS, _KNOWN_LETTERS = frozenset(_WORDS), frozenset(_LETTERS)


def script_of(word: str) -> str:
    """The language that a word's script stands for, "" for Latin and for scripts that are not stemmed."""
    first = word[0]
    if first < "\u0370":
        return ""
    return next((language for low, high, language in _SCRIPTS if low <= first <= high), "")


def guess(words: Set[str], letters: Set[str]) -> str:
    """The languages of a message in Latin letters, by its distinct folded words and its letters as written.

    One or two of ``LATIN``, more when they are level, "" when nothing tells.
    """
    return _best(_KNOWN_WORDS.intersection(words), _KNOWN_LETTERS.intersection(letters))


@lru_cache(maxsize=4096)
def _best(words: frozenset[str], letters: frozenset[str]) -> str:
    """The same by function words and telling letters alone. Most messages have few of them, so they recur."""
    scores: dict[str, int] = {}
    for found, worth in (*map(_WORDS.__getitem__, words), *map(_LETTERS.__getitem__, letters)):
        for language in found:
            scores[language] = scores.get(language, 0) + worth
    if not scores:
        return ""
    top = max(scores.values())
    best = sorted(language for language, score in scores.items() if score == top)
    if len(best) >= _TOO_MANY:
        return ""
    if len(best) == 1:
        others = sorted(((-score, language) for language, score in scores.items() if 2 * score >= top > score))
        best += [language for _, language in others[:1]]
    return "".join(sorted(best))
