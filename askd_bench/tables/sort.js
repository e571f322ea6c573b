// A press on a heading sorts its table, a second one the other way round; what has no value stays last.
document.querySelectorAll("thead button").forEach(function (button) {
  button.addEventListener("click", function () {
    var heading = button.closest("th"), table = heading.closest("table"), body = table.tBodies[0];
    var direction = heading.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    table.querySelectorAll("thead th").forEach(function (one) { one.setAttribute("aria-sort", "none"); });
    heading.setAttribute("aria-sort", direction);
    var sign = direction === "ascending" ? 1 : -1;
    var key = function (row) { return row.cells[heading.cellIndex].dataset.sort; };
    Array.from(body.rows).sort(function (a, b) {
      var x = key(a), y = key(b);
      if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
      return sign * (isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y);
    }).forEach(function (row) { body.appendChild(row); });
  });
});
