#!/usr/bin/env python3
"""Makes items.jsonl, events.csv and sources.tsv from the files of the two upstream projects.

    python3 prepare.py --ratings ratings.dat --movies movies.dat --wikipedia movies-*.json --out .

ratings.dat and movies.dat are those of MovieTweetings' snapshots/100K, the movies-*.json those of
wikipedia-movie-data; README.md beside this file names the commits. The same input gives the same
bytes. Nothing but the standard library of Python 3.9 or newer is needed.
"""

import argparse
import collections
import csv
import datetime
import json
import pathlib
import re
import unicodedata
import urllib.parse

# The k-core: a film needs this many ratings, a user that many, both counted among what is kept.
MIN_RATINGS_OF_FILM = 15
MIN_RATINGS_OF_USER = 10

# Left over where upstream cut a table cell into names.
NOT_A_NAME = {"(voices)", "and", "&", "screenwriter)"}


def clean(text):
    """NFC, with every run of white space (also no-break spaces and line ends) as one space."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def title_key(title):
    """What two spellings of a title share: plain letters and digits, without a leading article."""
    plain = unicodedata.normalize("NFKD", title.casefold()).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", plain)
    return " ".join(words[1:] if len(words) > 1 and words[0] in ("the", "a", "an") else words)


def read_movies(path):
    """Film number -> (title, year, genres)."""
    movies = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        number, titled, genres = line.split("::")
        title, year = re.fullmatch(r"(.+) \((\d{4})\)", titled).groups()
        movies[number] = (clean(title), int(year), [genre for genre in genres.split("|") if genre])
    return movies


def read_pages(paths):
    """(title key, year) -> the first page of that title and year that has a text."""
    pages = {}
    for path in sorted(paths):
        for page in json.loads(path.read_text(encoding="utf-8")):
            if page.get("extract") and page.get("href"):
                pages.setdefault((title_key(page["title"]), page["year"]), page)
    return pages


def join(movies, pages):
    """Film number -> page: same title key, and the same year, else the next, else the one before."""
    joined = {}
    for number, (title, year, _) in movies.items():
        for candidate in (year, year + 1, year - 1):
            page = pages.get((title_key(title), candidate))
            if page is not None:
                joined[number] = page
                break
    return joined


def core(ratings):
    """Drops films and users with too few ratings until none is left to drop."""
    while True:
        before = len(ratings)
        films = collections.Counter(film for _, film, _, _ in ratings)
        ratings = [rating for rating in ratings if films[rating[1]] >= MIN_RATINGS_OF_FILM]
        users = collections.Counter(user for user, _, _, _ in ratings)
        ratings = [rating for rating in ratings if users[rating[0]] >= MIN_RATINGS_OF_USER]
        if len(ratings) == before:
            return ratings


def item(number, movie, page):
    """The canonical item of one film."""
    title, year, genres = movie
    cast = list(dict.fromkeys(name for name in map(clean, page["cast"]) if name not in NOT_A_NAME))
    attributes = {"genre": genres, "cast": cast, "decade": f"{year // 10 * 10}s"}
    return {
        "id": f"tt{number}",
        "kind": "item",
        "text": {"title": title, "description": clean(page["extract"])},
        "attributes": {name: value for name, value in attributes.items() if value},
    }


def event(rating):
    """The row of events.csv that holds one rating."""
    user, film, value, seconds = rating
    at = datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc)
    at = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return [f"mt-u{user}-tt{film}", f"u{user}", f"tt{film}", "rated", at, value]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--ratings", type=pathlib.Path, required=True)
    parser.add_argument("--movies", type=pathlib.Path, required=True)
    parser.add_argument("--wikipedia", type=pathlib.Path, required=True, nargs="+")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()

    movies = read_movies(arguments.movies)
    pages = join(movies, read_pages(arguments.wikipedia))
    lines = arguments.ratings.read_text(encoding="utf-8").splitlines()
    ratings = core([rating for rating in (line.split("::") for line in lines) if rating[1] in pages])
    films = sorted({film for _, film, _, _ in ratings})

    def create(name):
        return open(arguments.out / name, "w", encoding="utf-8", newline="")

    with create("items.jsonl") as file:
        for film in films:
            line = json.dumps(item(film, movies[film], pages[film]), ensure_ascii=False)
            file.write(line + "\n")
    with create("events.csv") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["event_id", "user", "target", "action", "at", "value"])
        writer.writerows(sorted(map(event, ratings), key=lambda row: (row[4], row[0])))
    with create("sources.tsv") as file:
        file.write("id\tpage\turl\n")
        for film in films:
            href = pages[film]["href"]
            page = clean(urllib.parse.unquote(href).replace("_", " "))
            file.write(f"tt{film}\t{page}\thttps://en.wikipedia.org/wiki/{href}\n")

    users = {user for user, _, _, _ in ratings}
    print(f"{len(ratings)} ratings, {len(films)} films, {len(users)} users")


if __name__ == "__main__":
    main()
