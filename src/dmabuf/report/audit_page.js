"use strict";
document.documentElement.classList.add("js");
const form = document.querySelector("form.filters");
const items = [...document.querySelectorAll("ol.found > li")];
if (form) {
  const told = form.querySelector("output");
  const texts = items.map((item) => item.textContent.toLowerCase());
  let here = -1;

  const filter = () => {
    const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    items.forEach((item, index) => {
      const fits = ["level", "rule", "folder"].every((name) => {
        const wanted = form.elements[name].value;
        return !wanted || item.dataset[name] === wanted;
      });
      item.hidden = !(fits && words.every((word) => texts[index].includes(word)));
      if (!item.hidden) shown += 1;
    });
    told.textContent = `${shown} of ${items.length}`;
  };

  const go = (way) => {
    let next = here + way;
    while (next >= 0 && next < items.length && items[next].hidden) next += way;
    if (next < 0 || next >= items.length) return;
    if (here >= 0) items[here].classList.remove("here");
    here = next;
    items[here].classList.add("here");
    items[here].querySelector("summary").focus();
    items[here].scrollIntoView({ block: "nearest" });
  };

  const unfold = () => {
    if (here < 0) return;
    const details = items[here].querySelector("details");
    details.open = !details.open;
  };

  const keys = { j: () => go(1), k: () => go(-1), o: unfold, "/": () => form.elements.words.focus() };
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.target.matches("input, select")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  filter();
  window.addEventListener("beforeprint", () => items.forEach((item) => { item.querySelector("details").open = true; }));
}
