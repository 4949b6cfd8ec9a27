"""GitHub: which repository and branch, then the words or the files."""

from portero.telegram.render import rich
from portero.telegram.render.layout import Layout, Subject

_VERBS = {
    "create_issue": "🐙 New issue in",
    "update_issue": "🐙 Change an issue in",
    "issue_write": "🐙 Write an issue in",
    "add_issue_comment": "💬 Comment on an issue in",
    "create_pull_request": "🐙 New pull request in",
    "update_pull_request": "🐙 Change a pull request in",
    "merge_pull_request": "🔀 Merge a pull request of",
    "push_files": "⬆️ Push files to",
    "create_or_update_file": "⬆️ Commit a file to",
    "delete_file": "🗑 Delete a file in",
    "create_branch": "🌿 New branch in",
    "create_repository": "🐙 New repository",
    "fork_repository": "🐙 Fork",
    "run_workflow": "▶️ Run a workflow of",
    "delete_workflow_run_logs": "🗑 Delete the logs of a workflow of",
}
_NUMBERS = ("issue_number", "pull_number", "pullNumber")
_ORDER = ("owner", "repo", "branch", "base", "head", "path", "title", *_NUMBERS, "message")


def arrange(subject: Subject, layout: Layout) -> bool:
    arguments = layout.arguments
    owner, repo, name = arguments.text("owner"), arguments.text("repo"), arguments.text("name")
    known = subject.name in _VERBS or "github" in subject.server.lower()
    if not (known and (owner or repo or name)):
        return False
    where = f"{owner}/{repo}" if owner and repo else repo or name or owner or ""
    layout.headline = rich.join((rich.text(_VERBS.get(subject.name, "🐙 In")), layout.quote(where)), " ")
    for key in _NUMBERS:
        if (number := layout.number(key)) is not None:
            layout.headline = rich.join((layout.headline, rich.code(f"#{number}")), " ")
    _notes(layout)
    layout.place(*_ORDER)
    layout.changes()
    for key in ("body", "content", "commit_message"):
        layout.text(key)
    for leaf in arguments.under("files"):
        if leaf.path[-1:] == ("content",):
            layout.text(*leaf.path)
        else:
            layout.leaf(leaf)
    return True


def _notes(layout: Layout) -> None:
    files = len({leaf.path[:2] for leaf in layout.arguments.under("files")})
    if files:
        layout.note(rich.text(f"{files} file{'' if files == 1 else 's'} in one commit"))
    private = layout.arguments.at("private")
    if private is not None and private.text == "false":
        layout.note(rich.text("🌐 Everybody will be able to read it."))
