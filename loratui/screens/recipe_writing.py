"""Writing lora.toml from a screen: what is not in it yet, and what another program made of it meanwhile."""

from curation.atomic import write_text
from curation.errors import StatedError
from curation.text import counted, visible
from engine.paths import CONFIG_FILE
from loratui.screens.confirm import ConfirmScreen
from loratui.screens.step import StepScreen

MOST_LISTED = 8


class RecipeWriting(StepScreen):
    """Tells which settings are not in lora.toml yet; no file of another is replaced without asking."""

    def __init__(self) -> None:
        super().__init__()
        self._written: str | None = None

    def follow_config(self) -> None:
        """Take over what another program wrote to lora.toml, and say so."""
        try:
            if self.project.follow_config():
                kept = counted(len(self.project.recipe.unwritten()), "setting")
                self.notify(
                    f"{CONFIG_FILE} was changed by another program: its settings are taken over. Typed here, on top of "
                    f"them, and not in it: {kept}."
                )
        except StatedError as error:
            self.tell(error)

    def draw_unwritten(self) -> None:
        """How many settings are not in lora.toml, where one looks first."""
        unwritten = len(self.project.recipe.unwritten())
        told = f"{counted(unwritten, 'setting')} not yet in {CONFIG_FILE}: w writes, D drops"
        self.query_one("#settings").border_title = told if unwritten else "Settings"

    def action_write(self) -> None:
        """Write lora.toml; ask before another file than the one written here is replaced."""
        self.follow_config()
        self.draw()
        there = _on_disk()
        if there in (None, self._written, self.project.recipe.toml()):
            self._write()
            return
        question = f"There is a {CONFIG_FILE} here. Replace it?"
        if self.project.recipe.unwritten():
            question += f"\n\nNot yet in it:\n{self._listed()}"
        question += "\n\nSettings it has are kept if it is about these photos; its comments are not."
        self.app.push_screen(ConfirmScreen(question, "Replace"), lambda yes: self._replace(there) if yes else None)

    def _replace(self, asked_about: str | None) -> None:
        if _on_disk() == asked_about:
            self._write()
        else:
            self.action_write()

    def _write(self) -> None:
        text = self.project.recipe.toml()
        try:
            write_text(CONFIG_FILE, text)
        except OSError as error:
            self.tell(
                StatedError(f"{CONFIG_FILE} cannot be written: {error.strerror}.", "Start loratui in another folder.")
            )
            return
        self._written = text
        self.notify(visible(f"Wrote {CONFIG_FILE.absolute()}"), markup=False)
        try:
            self.project.settings_are_written()
        except StatedError as error:
            self.tell(error)
        self.draw()

    def action_drop(self) -> None:
        """Go back to what lora.toml holds, after asking."""
        question = f"Forget what was typed and is not in {CONFIG_FILE}?\n\n{self._listed()}"
        self.app.push_screen(ConfirmScreen(question, "Drop"), lambda yes: self._drop() if yes else None)

    def _drop(self) -> None:
        try:
            self.project.drop_settings()
        except StatedError as error:
            self.tell(error)
        self.draw()
        self.draw_standings()

    def _listed(self) -> str:
        unwritten = self.project.recipe.unwritten()
        lines = [f"  {name}: {visible(text) or 'taken back'}" for name, text in unwritten.items()]
        more = [f"  and {len(lines) - MOST_LISTED} more"] if len(lines) > MOST_LISTED else []
        return "\n".join([*lines[:MOST_LISTED], *more])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "drop":
            return bool(self.project.recipe.unwritten())
        return super().check_action(action, parameters)


def _on_disk() -> str | None:
    """What lora.toml holds; None where there is none, nothing where it cannot be read."""
    try:
        return CONFIG_FILE.read_text("utf-8") if CONFIG_FILE.exists() else None
    except (OSError, UnicodeDecodeError):
        return ""
