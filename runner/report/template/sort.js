"use strict";
// Tables whose rows a reader can sort: each header becomes a button, and says how its column is sorted.

for (const table of document.querySelectorAll("table[data-sortable]")) {
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const up = header.getAttribute("aria-sort") !== "ascending";
      for (const other of headers) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => compared(keyOf(a.cells[column]), keyOf(b.cells[column]), up ? 1 : -1)); // stable: ties stay
      table.tBodies[0].append(...rows);
    });
  });
}

// What a cell is sorted by: a number where it holds one, null where it holds nothing or NaN, else its text.
function keyOf(cell) {
  const number = cell.dataset.number;
  if (number !== undefined) return Number.isNaN(Number(number)) ? null : Number(number);
  return cell.textContent || null;
}

// Nothing comes last whatever the direction; numbers stand before texts.
function compared(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return sign * (typeof a === "number" ? Math.sign(a - b) || 0 : a.localeCompare(b, "en"));
}
