"use strict";
document.documentElement.classList.add("js");
for (const schedule of document.querySelectorAll(".schedule")) {
  const rows = [...schedule.querySelectorAll("tbody tr[data-step]")];
  const dots = [...schedule.querySelectorAll("circle[data-step]")];
  const columns = [...schedule.querySelectorAll("rect.column")];
  const spans = [...schedule.querySelectorAll("g.span")];
  const where = schedule.querySelector(".where");
  const now = schedule.querySelector(".now");
  const scroll = schedule.querySelector(".scroll");
  const tall = schedule.querySelector(".tall");
  let at = -1;

  const show = (step) => {
    at = Math.max(-1, Math.min(rows.length - 1, step));
    schedule.dataset.at = at;
    rows.forEach((row, index) => {
      row.classList.toggle("on", index === at);
      if (index === at) row.setAttribute("aria-current", "step");
      else row.removeAttribute("aria-current");
    });
    dots.forEach((dot) => dot.classList.toggle("on", Number(dot.dataset.step) === at));
    columns.forEach((column) => column.classList.toggle("cursor", Number(column.dataset.step) === at));
    where.textContent = at < 0 ? `Before step 1 of ${rows.length}` : `Step ${at + 1} of ${rows.length}`;
    now.replaceChildren();
    if (at >= 0) {
      const told = document.createElement("b");
      told.textContent = rows[at].dataset.says;
      now.append(told, " ");
    }
    const last = at === rows.length - 1;
    const lasting = spans.filter((span) => {
      const end = Number(span.dataset.to);
      return Number(span.dataset.from) <= at && (at < end || (last && end === rows.length));
    });
    now.append(lasting.map((span) => span.dataset.says).join("; "));
    if (at >= 0 && columns[at] && scroll) {
      const left = Number(columns[at].getAttribute("x"));
      const width = Number(columns[at].getAttribute("width"));
      if (left < scroll.scrollLeft) scroll.scrollLeft = left - width;
      if (left + width > scroll.scrollLeft + scroll.clientWidth) scroll.scrollLeft = left + 2 * width - scroll.clientWidth;
    }
    if (at >= 0 && tall) {
      const top = rows[at].offsetTop - tall.offsetTop;
      if (top < tall.scrollTop + 40) tall.scrollTop = top - 40;
      if (top + rows[at].offsetHeight > tall.scrollTop + tall.clientHeight) tall.scrollTop = top + rows[at].offsetHeight - tall.clientHeight;
    }
  };

  const keys = { ArrowRight: () => at + 1, ArrowDown: () => at + 1, ArrowLeft: () => at - 1, ArrowUp: () => at - 1, Home: () => 0, End: () => rows.length - 1 };
  schedule.addEventListener("keydown", (event) => {
    const next = keys[event.key];
    if (!next || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    show(next());
  });
  schedule.addEventListener("click", (event) => {
    const hit = event.target.closest("[data-step]");
    if (hit) show(Number(hit.dataset.step));
  });
  schedule.querySelector(".back").addEventListener("click", () => show(at - 1));
  schedule.querySelector(".on-button").addEventListener("click", () => show(at + 1));
  show(rows.length - 1);
}
for (const button of document.querySelectorAll("button.copy")) {
  const code = button.previousElementSibling;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(code);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      document.execCommand("copy");
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}
