r"""metadata.jsonl and metadata.csv of an ImageFolder, edited without touching what is not asked for.

A file is kept as its records' own text, and only a caption that changes is written anew, so unknown columns, numbers,
row order, blank lines and the line ending survive an edit.
"""

import csv
import io
import json
import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from curation.errors import CurationError
from curation.regular import read_regular
from curation.text import visible

BOM = "\ufeff"

_CELL = re.compile(r'(?:\A|,)((?:"(?:[^"]|"")*")|[^,\r\n]*)')

csv.field_size_limit(2**31 - 1)  # of the whole process; at 131,072 characters a saved caption could not be read back


@dataclass(frozen=True)
class Record:
    """One row: its text on disk, the file it is about (None: not about a photo), and its values by column."""

    text: str
    name: str | None
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Metadata:
    """A metadata file as it was read.  content: its bytes, None when there is no such file yet."""

    path: Path
    content: bytes | None
    records: tuple[Record, ...]
    columns: tuple[str, ...] = ()

    def row(self, name: str) -> Mapping[str, Any]:
        """The values of the photo's row; the last one wins, as in `datasets`. Empty when it has none."""
        return self._rows.get(name, {})

    @cached_property
    def _rows(self) -> dict[str | None, Mapping[str, Any]]:
        return {record.name: record.values for record in self.records}

    def caption(self, name: str, column: str) -> str | None:
        """The photo's caption, or None when its row or the column is missing or null; in CSV an empty cell is null.

        Raises CurationError for one that is not text: taken for none, it would be trained without and written over.
        """
        value = self.row(name).get(column)
        if value is None or isinstance(value, str):
            return value
        raise CurationError(
            f'"{visible(column)}" of {visible(name)} in {self.path.name} is not text.',
            "Write it in quotes, or name another column as caption_column.",
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The files that the rows are about, each once, in the rows' order; their photos may be missing."""
        return tuple(dict.fromkeys(record.name for record in self.records if record.name is not None))

    def renamed(self, names: Mapping[str, str]) -> str:
        """The file's text for a copy of some photos.  names: their new names by their old ones; other rows go."""
        edit = _renamed_cell if self.path.suffix == ".csv" else _renamed_member
        kept = [record for record in self.records if record.name is None or record.name in names]
        return "".join(edit(self, record, names.get(record.name or "")) for record in kept)

    def with_captions(self, column: str, captions: Mapping[str, str]) -> str:
        """The file's new text. captions: by photo name; a photo without a row gets one at the end."""
        edit = _edited_csv if self.path.suffix == ".csv" else _edited_jsonl
        return edit(self, column, captions)


def read_metadata(root: Path) -> Metadata:
    """Read `metadata.jsonl` or `metadata.csv`, else return an empty one that would become `metadata.jsonl`.

    Raises CurationError for a file that is not valid, with its line, for a row that points outside `root`, and where
    there are both files, as `datasets` does.
    """
    paths = (root / "metadata.jsonl", root / "metadata.csv")
    if all(path.exists() for path in paths):
        raise CurationError(
            f"{visible(str(root))} holds both metadata.jsonl and metadata.csv, and captions may be in either.",
            "Keep the one with your captions, and rename or remove the other.",
        )
    for path in paths:
        content = _bytes_of(path)
        if content is None:
            continue
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise CurationError(f"{path.name} is not UTF-8 text.", "Save it as UTF-8 and try again.") from error
        return _read_csv(path, content, text) if path.suffix == ".csv" else _read_jsonl(path, content, text)
    return Metadata(root / "metadata.jsonl", None, ())


def dump_json(value: Any) -> str:
    """JSON in one line, as a row or a part of it: readable UTF-8, escaped only where UTF-8 has no way to say it."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # lone surrogates: a file name that is not UTF-8
        return json.dumps(value)
    return text


def _bytes_of(path: Path) -> bytes | None:
    try:
        return read_regular(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CurationError(
            f"{path.name} cannot be read: {error.strerror}.", "Check that it is a file, and its permissions."
        ) from error


def _read_jsonl(path: Path, content: bytes, text: str) -> Metadata:
    records = []
    columns: dict[str, None] = {}
    # Captions may hold U+2028 and other breaks that splitlines() would obey: only "\n" ends a JSON line.
    for number, line in enumerate(_lines(text), start=1):
        values = _parse_json_line(path, number, line)
        columns.update(dict.fromkeys(values))
        records.append(Record(line, _photo_name(path, number, values), values))
    return Metadata(path, content, tuple(records), tuple(columns))


def _parse_json_line(path: Path, number: int, line: str) -> dict[str, Any]:
    if not line.strip(" \t\r\n" + BOM):
        return {}
    try:
        values = json.loads(line.removeprefix(BOM))
    except (ValueError, RecursionError) as error:
        raise CurationError(f"{path.name} line {number} is not valid JSON: {error}.", "Mend that line.") from error
    if not isinstance(values, dict):
        raise CurationError(
            f"{path.name} line {number} is not a JSON object.",
            'Write each line as {"file_name": "photo.jpg", "prompt": "a caption"}.',
        )
    return values


def _read_csv(path: Path, content: bytes, text: str) -> Metadata:
    bom = BOM if text.startswith(BOM) else ""
    rows = list(_csv_records(path, text.removeprefix(BOM)))
    if not rows:
        return Metadata(path, content, ())
    columns = tuple(rows[0][2])
    if "file_name" not in columns:
        raise CurationError(
            f"{path.name} has no column file_name.",
            "Name the columns in its first line, with commas: file_name,prompt.",
        )
    records = [Record(bom + rows[0][1], None, {})]
    for number, raw, cells in rows[1:]:
        # `datasets` takes an empty cell for none, too: taken for a caption it would hide the photo's .txt file.
        values = {column: cell or None for column, cell in zip(columns, cells, strict=False)}
        records.append(Record(raw, _photo_name(path, number, values), values))
    return Metadata(path, content, tuple(records), columns)


def _csv_records(path: Path, text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Yield each record's last line number, its own text with its line ending, and its cells."""
    consumed: list[str] = []

    def lines() -> Iterator[str]:
        for line in _lines(text):
            consumed.append(line)
            yield line

    reader = csv.reader(lines(), strict=True)
    try:
        for cells in reader:
            yield reader.line_num, "".join(consumed), cells
            consumed.clear()
    except csv.Error as error:
        raise CurationError(
            f"{path.name} line {reader.line_num} is not valid CSV: {error}.", "Mend that line."
        ) from error


def _photo_name(path: Path, number: int, values: Mapping[str, Any]) -> str | None:
    name = values.get("file_name")
    if not isinstance(name, str) or not name:
        return None
    if "\\" in name and not os.path.lexists(path.parent / name):  # written on Windows
        name = name.replace("\\", "/")
    normal = posixpath.normpath(name)
    if normal.startswith(("/", "../")) or normal == "..":
        raise CurationError(
            f'{path.name} line {number} names "{visible(name)}", which lies outside the folder.',
            "Give file_name relative to the folder, and keep it inside.",
        )
    return normal


def _lines(text: str) -> list[str]:
    return io.StringIO(text, newline="\n").readlines()


def _edited_jsonl(metadata: Metadata, column: str, captions: Mapping[str, str]) -> str:
    ending = _line_ending(metadata)
    last = {record.name: index for index, record in enumerate(metadata.records)}
    texts = [record.text for record in metadata.records]
    for name, caption in captions.items():
        if name in last:
            texts[last[name]] = _with_member(metadata.records[last[name]].text, column, caption)
        else:
            texts = [*_ended(texts, ending), dump_json({"file_name": name, column: caption}) + ending]
    return "".join(texts)


def _renamed_member(metadata: Metadata, record: Record, name: str | None) -> str:
    return record.text if name in (None, record.name) else _with_member(record.text, "file_name", name)


def _renamed_cell(metadata: Metadata, record: Record, name: str | None) -> str:
    if name in (None, record.name):
        return record.text
    cells = _cells(record)
    cells[len(metadata.columns) - 1 - metadata.columns[::-1].index("file_name")] = _csv_cell(name)
    return _csv_row(cells, _line_ending(metadata))


def _with_member(line: str, name: str, value: str) -> str:
    """The object's line with one member changed, or added at its end, and every other character as it was."""
    members = list(_members(line))
    for found, start, end in reversed(members):
        if found == name:
            return line[:start] + dump_json(value) + line[end:]
    _, _, end = members[-1]
    return f"{line[:end]}, {dump_json(name)}: {dump_json(value)}{line[end:]}"


def _members(line: str) -> Iterator[tuple[str, int, int]]:
    """Yield the members' names, and where the text of each value starts and ends. line: holds one JSON object."""
    decoder = json.JSONDecoder()
    position = _past_separators(line, line.index("{") + 1)
    while line[position] != "}":
        name, position = decoder.raw_decode(line, position)
        start = _past_separators(line, position)
        _, end = decoder.raw_decode(line, start)
        yield name, start, end
        position = _past_separators(line, end)


def _past_separators(line: str, position: int) -> int:
    while line[position] in " \t\r\n,:":
        position += 1
    return position


def _edited_csv(metadata: Metadata, column: str, captions: Mapping[str, str]) -> str:
    ending = _line_ending(metadata)
    columns = [*metadata.columns, *(name for name in ("file_name", column) if name not in metadata.columns)]
    # Rows that are not edited may stay shorter than a widened header: readers take the missing cells as empty.
    header = metadata.records[0].text if metadata.records else ""
    if len(columns) > len(metadata.columns):
        header = (BOM if header.startswith(BOM) else "") + _csv_row(map(_csv_cell, columns), ending)
    position = {name: index for index, name in enumerate(columns)}  # of two with one name the last, as when reading
    last = {record.name: index for index, record in enumerate(metadata.records)}
    texts = [header, *(record.text for record in metadata.records[1:])]
    for name, caption in captions.items():
        old = _cells(metadata.records[last[name]]) if name in last else []
        cells = old + [""] * (len(columns) - len(old))
        cells[position[column]] = _csv_cell(caption)
        if name in last:
            texts[last[name]] = _csv_row(cells, ending)
        else:
            cells[position["file_name"]] = _csv_cell(name)
            texts = [*_ended(texts, ending), _csv_row(cells, ending)]
    return "".join(texts)


def _cells(record: Record) -> list[str]:
    """The cells as they are written, in their quotes."""
    return _CELL.findall(record.text)


def _csv_row(cells: Iterable[str], ending: str) -> str:
    return ",".join(cells) + ending


def _csv_cell(cell: str) -> str:
    # csv.writer leaves a lone carriage return unquoted before Python 3.13, and then cannot read it back.
    if any(character in cell for character in ',"\r\n') or cell != cell.strip():
        return '"' + cell.replace('"', '""') + '"'
    return cell


def _ended(texts: list[str], ending: str) -> list[str]:
    if texts and not texts[-1].endswith("\n"):
        return [*texts[:-1], texts[-1] + ending]
    return texts


def _line_ending(metadata: Metadata) -> str:
    return "\r\n" if metadata.records and metadata.records[0].text.endswith("\r\n") else "\n"
