"use strict";
(() => {
  const say = (area, text) => { area.querySelector("[role=status]").textContent = text; };
  const number = (cell) => (cell.dataset.value === undefined || cell.dataset.value === "" ? null : Number(cell.dataset.value));

  /* Sorts by a column; rows without a value stay last in both directions, pooled rows stay in their own body. */
  const sort = (heading) => {
    const table = heading.closest("table");
    const column = [...heading.parentElement.children].indexOf(heading);
    const direction = heading.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    const sign = direction === "ascending" ? 1 : -1;
    for (const other of heading.parentElement.children) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", direction);
    const body = table.tBodies[0];
    const compare = (a, b) => {
      const [x, y] = [a.children[column], b.children[column]];
      const [m, n] = [number(x), number(y)];
      if (m !== null && n !== null) return sign * (m - n);
      if (m !== null || n !== null) return m === null ? 1 : -1;
      return sign * x.textContent.trim().localeCompare(y.textContent.trim(), "en", { numeric: true });
    };
    body.append(...[...body.rows].sort(compare));
    say(table.closest(".tables"), `Sorted by ${heading.textContent.trim()}, ${direction}.`);
  };

  /* Keeps the rows that hold every word of the filter in their condition or model. */
  const filter = (area) => {
    const words = area.querySelector("[data-filter]").value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    let all = 0;
    for (const row of area.querySelectorAll("tbody tr")) {
      row.hidden = !words.every((word) => row.dataset.text.includes(word));
      all += 1;
      shown += row.hidden ? 0 : 1;
    }
    say(area, words.length ? `${shown} of ${all} rows shown.` : "");
  };

  for (const button of document.querySelectorAll("th button")) {
    button.addEventListener("click", () => sort(button.closest("th")));
  }
  for (const area of document.querySelectorAll(".tables")) {
    area.querySelector("[data-filter]").addEventListener("input", () => filter(area));
    area.querySelector("[data-intervals]").addEventListener("change", (event) => area.classList.toggle("all-intervals", event.target.checked));
  }
  /* One clip at a time. */
  document.addEventListener("play", (event) => {
    for (const other of document.querySelectorAll("audio")) if (other !== event.target) other.pause();
  }, true);
})();
