"""The words of the labelling page, in every language of the taxonomy.

Translations are drafts, as those of label_configs/taxonomy.yaml are.
"""

from __future__ import annotations

from collections.abc import Mapping

from workbench.domain.adjudication import LETTERS, Verdict

#: How sure a labeller may say to be (docs: annotation record), with the words shown.
CONFIDENCES: Mapping[str, Mapping[str, str]] = {
    "certain": {"en": "Certain", "fr": "Certain", "es": "Seguro", "pt": "Certo", "ar": "متأكد", "uk": "Впевнено"},
    "probable": {
        "en": "Probable",
        "fr": "Probable",
        "es": "Probable",
        "pt": "Provável",
        "ar": "مرجح",
        "uk": "Ймовірно",
    },
    "possible": {"en": "Possible", "fr": "Possible", "es": "Posible", "pt": "Possível", "ar": "ممكن", "uk": "Можливо"},
    "cannot_tell": {
        "en": "Cannot tell",
        "fr": "Impossible à dire",
        "es": "No se puede saber",
        "pt": "Não é possível saber",
        "ar": "لا يمكن التحديد",
        "uk": "Неможливо визначити",
    },
}


#: The page's own words.
WORDS: Mapping[str, Mapping[str, str]] = {
    "filter": {
        "en": "Find a label…",
        "fr": "Chercher une étiquette…",
        "es": "Buscar una etiqueta…",
        "pt": "Procurar uma etiqueta…",
        "ar": "ابحث عن تسمية…",
        "uk": "Знайти мітку…",
    },
    "box": {"en": "Box", "fr": "Rectangle", "es": "Rectángulo", "pt": "Retângulo", "ar": "مستطيل", "uk": "Рамка"},
    "ellipse": {
        "en": "Ellipse",
        "fr": "Ellipse",
        "es": "Elipse",
        "pt": "Elipse",
        "ar": "قطع ناقص",
        "uk": "Еліпс",
    },
    "polygon": {
        "en": "Polygon",
        "fr": "Polygone",
        "es": "Polígono",
        "pt": "Polígono",
        "ar": "مضلع",
        "uk": "Багатокутник",
    },
    "point": {"en": "Point", "fr": "Point", "es": "Punto", "pt": "Ponto", "ar": "نقطة", "uk": "Точка"},
    "transcription": {
        "en": "Text as it stands, ? for unreadable",
        "fr": "Texte tel quel, ? si illisible",
        "es": "Texto tal cual, ? si es ilegible",
        "pt": "Texto tal como está, ? se ilegível",
        "ar": "النص كما هو، ? لما لا يقرأ",
        "uk": "Текст як є, ? замість нечитабельного",
    },
    "transcription_title": {
        "en": "Marking (press Enter)",
        "fr": "Marquage (touche Entrée)",
        "es": "Marca (pulse Intro)",
        "pt": "Marcação (prima Enter)",
        "ar": "العلامة (اضغط Enter)",
        "uk": "Маркування (натисніть Enter)",
    },
    "confidence": {
        "en": "How sure are you?",
        "fr": "Degré de certitude",
        "es": "¿Cuán seguro está?",
        "pt": "Qual o grau de certeza?",
        "ar": "ما درجة يقينك؟",
        "uk": "Наскільки ви впевнені?",
    },
    "not": {"en": "Not", "fr": "Pas", "es": "No", "pt": "Não", "ar": "ليس", "uk": "Не"},
    "confused": {
        "en": "Often confused with",
        "fr": "Souvent confondu avec",
        "es": "A menudo confundido con",
        "pt": "Muitas vezes confundido com",
        "ar": "كثيرا ما يخلط مع",
        "uk": "Часто плутають з",
    },
    "about_photograph": {
        "en": "About the whole photograph",
        "fr": "Sur toute la photographie",
        "es": "Sobre toda la fotografía",
        "pt": "Sobre toda a fotografia",
        "ar": "عن الصورة كلها",
        "uk": "Про все фото",
    },
    "object": {"en": "Object", "fr": "Objet", "es": "Objeto", "pt": "Objeto", "ar": "الجسم", "uk": "Предмет"},
    "text": {"en": "Text", "fr": "Texte", "es": "Texto", "pt": "Texto", "ar": "النص", "uk": "Текст"},
    "drawn_as": {
        "en": "Drawn as",
        "fr": "Dessiné comme",
        "es": "Dibujado como",
        "pt": "Desenhado como",
        "ar": "مرسوم على شكل",
        "uk": "Намальовано як",
    },
    "not_marked": {
        "en": "not marked",
        "fr": "non marqué",
        "es": "no marcado",
        "pt": "não marcado",
        "ar": "غير معلَّم",
        "uk": "не позначено",
    },
    "labelled": {
        "en": "labelled",
        "fr": "annotée",
        "es": "etiquetada",
        "pt": "anotada",
        "ar": "تم وسمها",
        "uk": "розмічено",
    },
    "verdict": {
        "en": "Which answer is right?",
        "fr": "Quelle réponse est juste ?",
        "es": "¿Qué respuesta es correcta?",
        "pt": "Que resposta está certa?",
        "ar": "أي الإجابتين صحيحة؟",
        "uk": "Яка відповідь правильна?",
    },
    "reason": {
        "en": "Why? (press Enter)",
        "fr": "Pourquoi ? (touche Entrée)",
        "es": "¿Por qué? (pulse Intro)",
        "pt": "Porquê? (prima Enter)",
        "ar": "لماذا؟ (اضغط Enter)",
        "uk": "Чому? (натисніть Enter)",
    },
    "reference": {
        "en": "Rests on (as guideline:parts#3 or calibre:9x19mm)",
        "fr": "S'appuie sur (par ex. guideline:parts#3)",
        "es": "Se apoya en (por ej. guideline:parts#3)",
        "pt": "Baseia-se em (por ex. guideline:parts#3)",
        "ar": "يستند إلى (مثل guideline:parts#3)",
        "uk": "Спирається на (напр. guideline:parts#3)",
    },
    "correction": {
        "en": "To correct: draw it yourself",
        "fr": "Pour corriger : dessinez vous-même",
        "es": "Para corregir: dibújelo usted",
        "pt": "Para corrigir: desenhe você",
        "ar": "للتصحيح: ارسمه بنفسك",
        "uk": "Щоб виправити: намалюйте самі",
    },
}

#: What an adjudicator may decide, in the order shown.
VERDICTS: Mapping[Verdict, Mapping[str, str]] = {
    **{
        Verdict(f"{letter.lower()}_right"): {
            "en": f"{letter} is right",
            "fr": f"{letter} a raison",
            "es": f"{letter} es correcta",
            "pt": f"{letter} está certa",
            "ar": f"{letter} صحيحة",
            "uk": f"Правильна {letter}",
        }
        for letter in LETTERS
    },
    Verdict.CORRECTED: {
        "en": "None: I drew or answered it myself",
        "fr": "Aucune : j'ai dessiné ou répondu",
        "es": "Ninguna: la dibujé o respondí yo",
        "pt": "Nenhuma: desenhei ou respondi eu",
        "ar": "لا شيء منها: رسمت أو أجبت بنفسي",
        "uk": "Жодна: намальовано або відповіджено мною",
    },
    Verdict.NO_SUCH_OBJECT: {
        "en": "None: there is no such object",
        "fr": "Aucune : cet objet n'existe pas",
        "es": "Ninguna: no existe tal objeto",
        "pt": "Nenhuma: não existe tal objeto",
        "ar": "لا شيء منها: لا وجود لهذا الجسم",
        "uk": "Жодна: такого предмета немає",
    },
    Verdict.CANNOT_TELL: CONFIDENCES["cannot_tell"],
}
