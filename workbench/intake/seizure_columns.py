"""The columns of a partner's seizure table: their names, what to write, and the columns that no table may have."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from workbench.domain.seizure import EventType, SerialPresent, TraceStatus, View


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of the table.

    Parameters
    ----------
    about
        What it tells of: ``file``, ``seizure`` or ``item``; a seizure's or item's cell may repeat or stay empty.
    words
        The words it may hold; empty where they are no short list.

    """

    name: str
    about: str
    meaning: str
    example: str
    words: tuple[str, ...] = ()


def _words(kind: type[EventType | TraceStatus | SerialPresent | View]) -> tuple[str, ...]:
    return tuple(word.value for word in kind)


COLUMNS: tuple[Column, ...] = (
    Column(
        name="path",
        about="file",
        meaning="the file's path inside the delivery, with forward slashes; empty for an item without photograph",
        example="IMG_0001.jpg",
    ),
    Column(
        name="seizure_id",
        about="file",
        meaning="your pseudonym for the seizure: no case number, no name",
        example="S-2026-014",
    ),
    Column(name="item_id", about="file", meaning="your pseudonym for the object, unique in its seizure", example="1"),
    Column(
        name="view",
        about="file",
        meaning="what the photograph shows of the item",
        example="left",
        words=_words(View),
    ),
    Column(
        name="event_type",
        about="seizure",
        meaning="how the objects came into your hands",
        example="seized",
        words=_words(EventType),
    ),
    Column(
        name="date",
        about="seizure",
        meaning="when, as exactly as known: 2026, 2026-04 or 2026-04-30",
        example="2026-04",
    ),
    Column(name="country", about="seizure", meaning="where, as ISO 3166-1 alpha-2 code (two letters)", example="DE"),
    Column(name="region", about="seizure", meaning="coarse region; no address", example="north"),
    Column(name="authority_type", about="seizure", meaning="kind of competent authority", example="customs"),
    Column(
        name="trace_status",
        about="seizure",
        meaning="whether the origin was traced",
        example="pending",
        words=_words(TraceStatus),
    ),
    Column(name="item_count", about="seizure", meaning="how many objects, photographed or not", example="3"),
    Column(
        name="item_class",
        about="item",
        meaning="code of the taxonomy (label_configs/taxonomy.yaml)",
        example="part.slide",
    ),
    Column(name="make", about="item", meaning="maker, as you word it", example="Example Works"),
    Column(name="model", about="item", meaning="model, as you word it", example="E1"),
    Column(
        name="calibre_id",
        about="item",
        meaning="id of the reference table (workbench reference search NAME)",
        example="WB-C0001",
    ),
    Column(
        name="serial_present",
        about="item",
        meaning="whether it bears a serial number; never the number itself",
        example="removed",
        words=_words(SerialPresent),
    ),
    Column(name="country_of_manufacture", about="item", meaning="ISO 3166-1 alpha-2 code (two letters)", example="AT"),
    Column(name="year", about="item", meaning="year of manufacture", example="1998"),
    Column(name="lot_number", about="item", meaning="lot as marked", example="L-07"),
    Column(
        name="replica_of",
        about="item",
        meaning="only of a printed or cast stand-in: your name for the design it was made from; the part's name in the "
        "catalogue (workbench synthesis catalogue) where it is in there",
        example="",
    ),
)

BY_NAME: Mapping[str, Column] = {column.name: column for column in COLUMNS}
REQUIRED = ("path", "seizure_id")
SEIZURE_COLUMNS = tuple(column.name for column in COLUMNS if column.about == "seizure")
ITEM_COLUMNS = tuple(column.name for column in COLUMNS if column.about == "item")

#: Words in a column's name that tell of a natural person: such a column is refused, not ignored, because the table
#: would already have brought personal data into the workbench. English, French, German, Spanish, Italian, Portuguese,
#: Dutch, Polish, Ukrainian and Russian; accents are taken off before the comparison.
_PERSON = re.compile(
    # whoever it is
    r"possess|owner|holder|suspect|offender|defendant|accused|arrestee|victim|witness|buyer|purchaser|seller|person|"
    r"proprietaire|detenteur|titulaire|prevenu|mis_en_cause|acheteur|vendeur|"
    r"besitzer|eigentumer|eigentuemer|inhaber|verdachtig|verdaechtig|beschuldigt|tater\b|taeter|kaufer|kaeufer|"
    r"propietario|poseedor|sospechoso|acusado|imputado|comprador|vendedor|"
    r"proprietario|possessore|detentore|sospettato|indagato|imputato|acquirente|"
    r"possuidor|suspeito|arguido|eigenaar|bezitter|verdachte|wlasciciel|posiadacz|podejrzan|"
    r"власник|підозрюван|владелец|подозреваем|обвиняем|"
    # what they are called
    r"surname|forename|(first|last|full|given|family|middle|maiden)_?name|alias_of|initials|"
    r"prenom|nom_de_famille|patronyme|nachname|vorname|familienname|apellido|cognome|sobrenome|apelido|"
    r"achternaam|voornaam|nazwisko|imie\b|прізвище|фамилия|отчество|по_батькові|"
    # when and where they were born, what they are
    r"birth|\bdob\b|naissance|geburt|nacimiento|nascita|nascimento|geboorte|urodzenia|народження|рождени|"
    r"nationality|nationalite|staatsangehorig|staatsangehoerig|nacionalidad|nazionalita|nacionalidade|citizenship|"
    r"gender|\bsex\b|\bage\b|ethnic|religion|occupation|"
    # where they live, how to reach them
    r"address|adresse\b|anschrift|wohnort|direccion|domicil|indirizzo|endereco|residen|postcode|zip_?code|"
    r"\badres\b|woonplaats|адрес|\bip\b|"
    r"phone|telefon|telephone|telefoon|\btel\b|mobile|handy|e_?mail|courriel|correo|телефон|"
    # numbers that stand for them
    r"passport|passeport|reisepass|pasaporte|passaporto|паспорт|national_?id|identity_?card|id_?card|ausweis|"
    r"\bdni\b|\bnie\b|\bcpf\b|\bpesel\b|codice_fiscale|social_security|\bssn\b|tax_id|driv(er|ing)|fuhrerschein|"
    r"plate|kennzeichen|immatriculation|matricula|targa\b|fingerprint|\bdna\b"
)
#: A column that is called so and nothing more: a name of whom?
_NAME_ALONE = frozenset({"name", "names", "nom", "noms", "nombre", "nome", "naam", "imie", "ім'я", "имя"})

#: A person's address for electronic mail, in any cell.
EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")


def tells_of_a_person(column: str) -> bool:
    """Say whether a column's name is about a natural person, in one of several languages.

    Examples
    --------
    >>> [tells_of_a_person(name) for name in ("Date of birth", "Prénom", "Besitzer", "country", "make")]
    [True, True, True, False, False]

    """
    plain = unicodedata.normalize("NFKD", column).casefold()
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    plain = unicodedata.normalize("NFC", plain)
    joined = re.sub(r"[\W]+", "_", plain).strip("_")
    return plain.strip() in _NAME_ALONE or bool(_PERSON.search(joined.replace("_", " ")) or _PERSON.search(joined))
