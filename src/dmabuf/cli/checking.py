"""One run of `dmabuf check`: results as they come, and its end."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any

from dmabuf import __version__
from dmabuf.audit.checks.choice import Choice
from dmabuf.cli.auditing import Request, audit_one
from dmabuf.cli.ends import complain, print_json, style_of_stdout, write_audits, write_files
from dmabuf.explore.foreign.load import Target
from dmabuf.explore.foreign.sandbox import explore_file
from dmabuf.explore.foreign.wire import Job
from dmabuf.explore.search import Progress as Standing
from dmabuf.report.json import check_document
from dmabuf.report.progress import Progress, counted
from dmabuf.report.source_finding import Audited
from dmabuf.report.source_text import audit_summary, source_line, source_text
from dmabuf.report.terminal import is_live, width_of_terminal
from dmabuf.report.text import summary_text, trouble_text, verdict_line, verdict_text
from dmabuf.report.verdict import ExitCode, Exported, Result, Status, Trouble, Verdict, worst

__all__ = ["Checking"]


class Checking:
    """One `dmabuf check`: collects results, and prints them as they come."""

    def __init__(
        self, options: Any, job: Job, requests: Sequence[Request] = (), choice: Choice | None = None
    ) -> None:
        self.options = options
        self.job = job
        self.requests = requests
        self.choice = choice or Choice()
        self.style = style_of_stdout()
        self.progress = self._make_progress()
        self.results: list[Result | Audited] = []
        self.files = 0
        self.empty = 0
        self.standing: tuple[str, Standing] | None = None
        self.target = ""
        self.audited = ""
        self.interrupted = False

    def _make_progress(self) -> Progress:
        stream = None if self.options.quiet else sys.stderr
        width = width_of_terminal(sys.stderr)
        return Progress(stream, live=is_live(sys.stderr), width=width)

    def run(self, targets: Iterable[Target | Trouble]) -> int:
        """Audit and explore everything; returns the exit code."""
        try:
            for request in self.requests:
                self.audited = request.shown
                self._add(audit_one(request, self.options, self.choice, self.progress))
            self.audited = ""
            self._explore_all(targets)
        except KeyboardInterrupt:
            self.interrupted = True
            self._add_interrupted()
        codes = [result.exit_code for result in self.results]
        if self.interrupted:
            codes.append(ExitCode.INTERRUPTED)
        code = worst(codes)
        self.progress.clear()
        self._print_end(code)
        return int(worst([code, self._write_files()]))

    def _write_files(self) -> ExitCode:
        shown = [one for one in self.results if isinstance(one, Verdict | Trouble)]
        audits = [one for one in self.results if isinstance(one, Audited)]
        asked = self.options
        if not audits:
            return write_files(shown, html=asked.html, trace=asked.trace)
        return write_audits(audits, html=asked.html, sarif=asked.sarif, version=__version__)

    def _explore_all(self, targets: Iterable[Target | Trouble]) -> None:
        for target in targets:
            if not isinstance(target, Target):
                self._add(target)
                continue
            self.files += 1
            if target.empty or not self._explore(target):
                self.empty += 1
        if not self.results and not self.requests:
            remedy = "mark a function of a machine with @design (from dmabuf import design)"
            self._add(Trouble(self.options.paths[0], "no design found", remedy))

    def _explore(self, target: Target) -> bool:
        """Explore one file; does it hold a design, or trouble?"""

        def tell(design: str, standing: Standing) -> None:
            self.standing = (target.subject(design), standing)
            self.progress.tell(_told(*self.standing))

        before = len(self.results)
        self.target = target.shown
        with closing(explore_file(target, self.job, tell)) as results:
            for result in results:
                self.standing = None
                self._add(result)
        self.target = ""
        return len(self.results) > before

    def _add(self, result: Result | Audited) -> None:
        self.results.append(result)
        self.progress.clear()
        if not self.options.json:
            self._print(result)

    def _print(self, result: Result | Audited) -> None:
        if isinstance(result, Audited):
            self._print_audit(result)
        elif isinstance(result, Trouble):
            sys.stdout.flush()
            print(f"dmabuf: {trouble_text(result, self.style)}", file=sys.stderr)
        elif isinstance(result, Exported):
            print(result.text, end="", flush=True)
        elif self.options.quiet:
            print(verdict_line(result, self.style), flush=True)
        else:
            print(f"{verdict_text(result, self.style)}\n", flush=True)

    def _print_audit(self, audited: Audited) -> None:
        for finding in audited.findings:
            if self.options.quiet:
                print(source_line(finding, self.style))
            else:
                print(f"{source_text(finding, self.style)}\n")
        print(audit_summary(audited, self.style), flush=True)

    def _add_interrupted(self) -> None:
        """Ctrl-C: what is known about the tree or the design that was being looked at."""
        if self.audited:
            self._add(Audited(self.audited, limit="interrupted"))
            return
        if self.standing is None:
            said = bool(self.results) and getattr(self.results[-1], "limit", "") == "interrupted"
            if self.target and not said:
                self._add(Verdict(self.target, Status.INCONCLUSIVE, limit="interrupted"))
            return
        subject, standing = self.standing
        seen = standing.findings
        notes = (f"{seen} findings had been seen and were not explained yet",) if seen else ()
        self._add(
            Verdict(
                subject,
                Status.INCONCLUSIVE,
                executions=standing.executions,
                steps=standing.steps,
                seconds=standing.seconds,
                limit="interrupted",
                notes=notes,
            )
        )

    def _print_end(self, code: ExitCode) -> None:
        if self.options.json:
            self._print_json(int(code))
            return
        verdicts = [result for result in self.results if isinstance(result, Verdict)]
        if len(verdicts) > 1 and not self.options.quiet:
            print(summary_text(verdicts, self.style))
        if self.interrupted:
            complain("interrupted")

    def _print_json(self, code: int) -> None:
        document = check_document(
            self.results,
            version=__version__,
            exit_code=code,
            files=self.files,
            empty_files=self.empty,
            interrupted=self.interrupted,
        )
        print_json(document)


def _told(subject: str, standing: Standing) -> str:
    found = f", {standing.findings} found" if standing.findings else ""
    return (
        f"{subject}: {counted(standing.executions)} executions, {counted(standing.steps)} steps, "
        f"depth {standing.depth}{found}, {counted(int(standing.rate))}/s, "
        f"{standing.seconds:.0f} s, {standing.phase}"
    )
