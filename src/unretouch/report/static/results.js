"use strict";
// The page of a test: its pictures, from the rows it carries.
Page.start();
Pairs.show(document.getElementById("pairs"), JSON.parse(document.getElementById("rows").textContent));
