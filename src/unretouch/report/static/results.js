"use strict";
// The page of a test: its pictures, from the rows it carries.
Page.start();
const rows = JSON.parse(document.getElementById("rows").textContent);
Pairs.show(document.getElementById("pairs"), rows, document.querySelector(".summary-table"));
