# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The script of a report's page. Private to the collection.

The page can be read without it. It adds what needs one: filters, sorting, a choice of colours, and how old the page is. It makes
elements and sets their text; it never reads text as markup, and the page's policy (Trusted Types) would not let it.
"""

from __future__ import annotations

import typing as t

SCRIPT: t.Final = r"""
'use strict';
(() => {
const $ = (id) => document.getElementById(id);
const root = document.documentElement;
const stored = { get() { try { return localStorage.getItem('stowage-theme'); } catch { return null; } },
  set(value) { try { localStorage.setItem('stowage-theme', value); } catch { /* a private window */ } } };

// Colours: the system's, unless somebody chose.
const theme = $('theme');
const paint = (choice) => {
  if (choice === 'light' || choice === 'dark') root.dataset.theme = choice; else delete root.dataset.theme;
  for (const one of theme.children) one.setAttribute('aria-pressed', String(one.value === (choice || 'auto')));
};
theme.hidden = false;
paint(stored.get() || 'auto');
theme.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button) { stored.set(button.value); paint(button.value); }
});

// A page that nobody makes anew looks as good as on its first day.
const facts = JSON.parse($('facts').textContent);
const old = (Date.now() - Date.parse(facts.generated)) / 1000;
const since = (seconds) => seconds < 5400 ? Math.round(seconds / 60) + ' min' :
  seconds < 172800 ? Math.round(seconds / 3600) + ' h' : Math.round(seconds / 86400) + ' d';
const table = $('fleet');
const items = table ? [...table.tBodies] : [];
const passed = (one) => one.dataset.deadline && Number(one.dataset.deadline) * 1000 < Date.now();
const overdue = items.filter((one) => passed(one) && !['late', 'missing', 'unknown'].includes(one.dataset.status));
if (old > facts.fresh || overdue.length) {
  const stale = $('stale');
  stale.textContent = 'This page was made ' + since(old) + ' ago. ' + (overdue.length ?
    overdue.length + ' of its clusters may have become late since, unless they were backed up meanwhile.' :
    'Make it anew to see how things are.');
  stale.hidden = false;
}
if (!table) return;

// Filters.
const tools = $('tools'), words = $('words'), status = $('status'), workspace = $('workspace'), order = $('order'), shown = $('shown');
tools.hidden = false;
const groups = { bad: ['unknown', 'missing', 'late'], attention: ['unknown', 'missing', 'late', 'failing', 'due'] };
const texts = new Map(items.map((one) => [one, (one.dataset.search || '').toLowerCase()]));
const filter = () => {
  const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  const states = status.value ? groups[status.value] || [status.value] : null;
  let count = 0;
  for (const one of items) {
    const fits = (!states || states.includes(one.dataset.status)) && (workspace.value === '' || one.dataset.workspace === workspace.value.slice(1)) &&
      wanted.every((word) => texts.get(one).includes(word));
    one.hidden = !fits;
    count += fits;
  }
  shown.textContent = count === items.length ? items.length + ' shown' : count + ' of ' + items.length + ' shown';
};
let waiting = 0;
words.addEventListener('input', () => { clearTimeout(waiting); waiting = setTimeout(filter, items.length > 300 ? 120 : 0); });
for (const one of [status, workspace]) one.addEventListener('change', filter);
document.addEventListener('keydown', (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) || event.ctrlKey || event.metaKey || event.altKey;
  if (event.key === '/' && !typing) { event.preventDefault(); words.focus(); }
  if (event.key === 'Escape' && event.target === words) { words.value = ''; filter(); }
});

// Sorting: a button in each head, and a choice where the heads are not shown.
const heads = [...table.tHead.rows[0].cells];
const collator = new Intl.Collator(undefined, { numeric: true });
const key = (item, column) => item.rows[0].cells[column].dataset.sort ?? item.rows[0].cells[column].textContent.trim();
const sort = (column, down) => {
  const numbers = heads[column].dataset.kind === 'number';
  const sign = down ? -1 : 1;
  const keyed = items.map((item) => [key(item, column), item]);
  keyed.sort((a, b) => a[0] === '' || b[0] === '' ? (a[0] === '') - (b[0] === '') : sign * (numbers ? a[0] - b[0] : collator.compare(a[0], b[0])));
  table.append(...keyed.map((pair) => pair[1]));
  heads.forEach((head, number) => {
    if (head.dataset.kind) head.setAttribute('aria-sort', number !== column ? 'none' : down ? 'descending' : 'ascending');
  });
  order.value = column + (down ? 'd' : 'a');
};
heads.forEach((head, column) => {
  if (!head.dataset.kind) return;
  const name = head.textContent;
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = name;
  head.replaceChildren(button);
  head.setAttribute('aria-sort', 'none');
  button.addEventListener('click', () => sort(column, head.getAttribute('aria-sort') === 'ascending'));
  for (const way of ['a', 'd']) {
    const option = document.createElement('option');
    option.value = column + way;
    option.textContent = name + (way === 'a' ? ' \u2191' : ' \u2193');
    order.append(option);
  }
});
heads[0].setAttribute('aria-sort', 'ascending');
order.value = '0a';
order.addEventListener('change', () => sort(parseInt(order.value, 10), order.value.endsWith('d')));
filter();
})();
"""
