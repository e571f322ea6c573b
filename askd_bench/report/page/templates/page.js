(() => {
  "use strict";
  const say = (area, text) => { area.querySelector("[role=status]").textContent = text; };

  /* Keeps the rows whose words, such as condition and model, hold every word of the filter. */
  const filter = (area) => {
    const text = (row) => [...row.querySelectorAll(".text")].map((cell) => cell.textContent).join(" ").toLowerCase();
    const words = area.querySelector("[data-filter]").value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    let all = 0;
    for (const row of area.querySelectorAll("tbody tr")) {
      row.hidden = !words.every((word) => text(row).includes(word));
      all += 1;
      shown += row.hidden ? 0 : 1;
    }
    say(area, words.length ? `${shown} of ${all} rows shown.` : "");
  };

  for (const button of document.querySelectorAll(".tables th button")) {
    button.addEventListener("click", () => {
      const direction = button.closest("th").getAttribute("aria-sort");
      say(button.closest(".tables"), `Sorted by ${button.textContent.trim()}, ${direction}.`);
    });
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
