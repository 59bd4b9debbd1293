// What the browser kept of each form comes back once, as the page opens. On a busy machine that may be late: what somebody
// typed or chose until then stays (undo has the other), and nothing is kept before, or a half open form would take its place.
() => {
  const touched = new Set(), back = new Set(), STAY = { __type__: 'update' };
  const touch = (e) => {
    if (!e.isTrusted || (e.type === 'mousedown' && !e.target.closest('[role=option]'))) return;
    for (let node = e.target; node; node = node.parentElement) if (node.id) touched.add(node.id);
  };
  for (const kind of ['input', 'change', 'mousedown']) document.addEventListener(kind, touch, true);

  window.atelierKept = {
    // What the browser keeps now: the first `count` of these values.
    note: (name, values, count) => [back.has(name) ? values.slice(0, count) : STAY],
    // The browser's copy, then what every component becomes, by its id in the page. A form as it was made is not kept.
    back(name, ids, count, [updates, ...values]) {
      back.add(name);
      const came = ids.map((id, i) => updates?.[i] ?? STAY), yielded = ids.filter((id, i) => touched.has(id) && 'value' in came[i]);
      const holding = (news) => values.map((value, i) => ('value' in news[i] ? news[i].value : value));
      if (yielded.length) window.atelierUndo?.before(name, holding(came));
      const news = came.map((update, i) => (touched.has(ids[i]) ? STAY : update));
      const made = came.every((update) => !('value' in update)) && !ids.some((id) => touched.has(id));
      return [made ? STAY : holding(news).slice(0, count), ...news];
    },
  };
}
