"""Checks of the body that a motion file was made for: its model, its shape and its gender."""

from __future__ import annotations

from dataclasses import dataclass

from optim.checks.check import Check, Seen, fine, likely, note

MODELS = {"smpl": "SMPL", "smplh": "SMPL+H", "smplx": "SMPL-X", "smplxn": "SMPL-X", "smplhn": "SMPL+H"}
"""Names of body models in files, in lower case without separators → the usual name."""
BY_COLUMNS = {66: "SMPL+H", 72: "SMPL", 156: "SMPL+H", 165: "SMPL-X"}
"""Number of columns of the poses → the model that has so many."""
SAME_SHAPES = ("SMPL", "SMPL+H")
"""Models whose betas mean the same bodies. Those of SMPL-X mean others."""
BETAS = 16
"""Number of betas that are used."""
GENDERS = ("neutral", "female", "male")
SPELLINGS = {"f": "female", "m": "male", "n": "neutral", "woman": "female", "man": "male"}


@dataclass(frozen=True)
class BodyOfFile:
    """What a motion file says about its body."""

    model: str
    """Name as the file gives it, or empty."""
    columns: int
    """Number of columns of the poses."""
    betas: int
    """Number of betas, without zeros at the end."""
    gender: str | None
    """As the file gives it. None if it does not."""

    @property
    def named(self) -> str:
        """The usual name of the model, by what the file says and otherwise by the columns; empty if unknown."""
        plain = "".join(letter for letter in self.model.lower() if letter.isalnum())
        return MODELS.get(plain, self.model) or BY_COLUMNS.get(self.columns, "")

    @property
    def usual_gender(self) -> str | None:
        """The gender in the usual spelling; as the file gives it if it is none of ``GENDERS``."""
        plain = (self.gender or "").strip().lower()
        usual = SPELLINGS.get(plain, plain)
        return usual if usual in GENDERS else self.gender

    @property
    def shape_known(self) -> bool:
        """Whether the betas describe a body of SMPL+H."""
        return self.named in SAME_SHAPES


def model(data: BodyOfFile) -> Seen:
    """The betas of another model are other bodies: they are not used."""
    name = data.named or "an unknown model"
    if data.shape_known or not data.betas:
        return fine(f"the motion is of {name}")
    return likely(
        f"the motion is of {name}, with a shape of {data.betas} betas",
        "these betas mean another body in SMPL+H, so the mean shape is taken, and joints are some centimetres off",
        "convert the motion to SMPL+H to keep its shape",
    )


def betas(data: BodyOfFile) -> Seen | None:
    """Only the first betas are used."""
    if not data.betas or not data.shape_known:
        return None
    if data.betas <= BETAS:
        return fine(f"{data.betas} betas")
    return note(f"{data.betas} betas that are not 0", f"the first {BETAS} of them are used")


def gender(data: BodyOfFile) -> Seen | None:
    """The gender is one of those that have a body."""
    if data.gender is None:
        return None
    if data.usual_gender in GENDERS:
        return fine(str(data.usual_gender))
    return note(f"the gender is {data.gender!r}", "the neutral body is taken", f"there are {', '.join(GENDERS)}")


CHECKS = (
    Check(
        "body model",
        BodyOfFile,
        model,
        f"betas of {' and '.join(SAME_SHAPES)} are used; those of another model, by its name in the file or by the"
        " columns of the poses, are not",
    ),
    Check("number of betas", BodyOfFile, betas, f"up to {BETAS}"),
    Check("gender", BodyOfFile, gender, ", ".join(GENDERS)),
)
