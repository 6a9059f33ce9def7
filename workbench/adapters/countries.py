"""Countries, by pycountry, which carries the ISO 3166-1 list with each of its releases."""

from __future__ import annotations

from functools import cache


@cache
def country_names() -> dict[str, str]:
    """Return the English short name of each country by its ISO 3166-1 alpha-2 code, in order."""
    import pycountry

    return {country.alpha_2: country.name for country in sorted(pycountry.countries, key=lambda one: one.alpha_2)}
