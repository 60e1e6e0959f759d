"""What an import found and did."""

from __future__ import annotations

from dataclasses import dataclass, field

# So many refused rows and duplicates are named; the rest is only counted, so that the report stays small.
NAMED = 1_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that cannot be taken, or with line None the whole file."""

    line: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A row that is left out because an earlier line of the file, or another entry, is the same."""

    line: int
    same: str
    first_line: int | None = None
    entry: str | None = None

    @property
    def reason(self) -> str:
        other = f"line {self.first_line}" if self.first_line else f"the entry {self.entry}"
        return f"The same {self.same} as {other}: this row is left out."


@dataclass
class ImportReport:
    """Counts of the file's rows; `written` says that the database now holds what the file says."""

    file: str
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    duplicate: int = 0
    refused_count: int = 0
    refused: list[Refusal] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)
    ignored_columns: list[str] = field(default_factory=list)
    new_categories: list[str] = field(default_factory=list)
    unreadable: bool = False  # the one refusal is then of the whole file
    written: bool = False

    @property
    def rows(self) -> int:
        return self.new + self.changed + self.unchanged + self.duplicate + self.refused_count

    def refuse(self, line: int | None, reason: str) -> None:
        self.refused_count += 1
        if len(self.refused) < NAMED:
            self.refused.append(Refusal(line, reason))

    def leave_out(self, duplicate: Duplicate) -> None:
        self.duplicate += 1
        if len(self.duplicates) < NAMED:
            self.duplicates.append(duplicate)

    @property
    def summary(self) -> str:
        counts = {
            "new": self.new,
            "changed": self.changed,
            "unchanged": self.unchanged,
            "duplicate": self.duplicate,
            "refused": self.refused_count,
        }
        return ", ".join(f"{count:,} {name}" for name, count in counts.items())
