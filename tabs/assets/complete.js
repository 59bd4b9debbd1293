// Completion in every prompt field: "<lora:" offers LoRAs, "__" wildcard lists, other words embeddings and tags. Up and Down
// choose, Tab and Enter take (Enter a word only once it was chosen: it also ends lines), Esc closes, the mouse takes too.
// The names come once, `window.atelierNames()`, and are searched here: no key waits for the studio.
() => {
  const MOST = 12, FIELDS = '[id$="-prompt"] textarea';
  const list = Object.assign(document.createElement('ul'), { id: 'complete', hidden: true });
  list.setAttribute('role', 'listbox');
  let names = null, asked = null, area = null, found = [], chosen = -1, place = null;

  const plain = (text) => text.toLowerCase().replaceAll('_', ' ');
  // Words are many: they lie by the first two letters of each of their names, the most used first.
  const shelved = (rows) => {
    const shelves = new Map();
    for (const row of rows) for (const key of [row.key, ...row.aliases]) {
      const shelf = shelves.get(key.slice(0, 2));
      if (shelf) shelf.push({ key, row }); else shelves.set(key.slice(0, 2), [{ key, row }]);
    }
    return shelves;
  };
  const begun = (shelves, query) => {
    const hits = new Map();
    for (const { key, row } of shelves.get(query.slice(0, 2)) ?? []) {
      if (key.startsWith(query) && !hits.has(row)) hits.set(row, key === row.key ? row : { ...row, show: `${key} → ${row.show}` });
      if (hits.size === MOST) break;
    }
    return [...hits.values()];
  };
  const sorted = (answer) => ({
    loras: answer.loras.map(([name, tag, triggers]) => ({ key: plain(name), show: name, more: triggers.join(', '), tag, triggers })),
    wildcards: answer.wildcards.map((name) => ({ key: plain(name), show: `__${name}__`, put: `__${name}__` })),
    words: shelved([...answer.embeddings.map((name) => ({ key: plain(name), show: name, put: name, more: '◇', aliases: [] })),
      ...answer.tags.map(([name, count, aliases]) => {
        const put = /[a-z]{2}/i.test(name) ? name.replaceAll('_', ' ').replace(/[()[\]]/g, '\\$&') : name;
        return { key: plain(name), show: name.replaceAll('_', ' '), put, more: count ? Intl.NumberFormat().format(count) : '',
          aliases: aliases ? plain(aliases).split(',') : [] };
      })]),
  });
  const load = () => { asked ??= window.atelierNames?.().then((answer) => { names = sorted(answer); look(); }, () => { asked = null; }); };
  window.addEventListener('atelier-lists', () => { names = asked = null; });

  const within = (rows, query) => {       // those that begin so first
    const first = [], then = [];
    for (const row of rows) {
      const at = row.key.indexOf(query);
      if (at === 0) first.push(row); else if (at > 0 && then.length < MOST) then.push(row);
      if (first.length === MOST) break;
    }
    return [...first, ...then].slice(0, MOST);
  };
  // What is being typed before the caret: [rows, where it begins, how much of the text behind the caret belongs to it].
  const typed = (text, caret) => {
    const before = text.slice(0, caret), after = text.slice(caret);
    const lora = before.match(/<lora:([^<>:\n]*)$/i);
    if (lora) return [within(names.loras, plain(lora[1])), lora.index, after.match(/^[^<>\s,]*>/)?.[0].length ?? 0];
    const marks = [...before.slice(before.search(/[^\s,]*$/)).matchAll(/__/g)];
    if (marks.length % 2) {
      const start = before.lastIndexOf('__');
      return [within(names.wildcards, plain(before.slice(start + 2))), start, after.match(/^[\w/-]*__/)?.[0].length ?? 0];
    }
    const phrase = before.match(/[^,\n()[\]{}<>|:]*$/)[0].replace(/^\s+/, '');
    for (let words = phrase; words.length > 1; words = words.replace(/^\S+\s*/, '')) {
      const hits = begun(names.words, plain(words)).filter((row) => row.put !== words);
      if (hits.length) return [hits, caret - words.length, 0];
    }
    return [[], caret, 0];
  };

  const close = () => {
    list.hidden = true;
    area?.removeAttribute('aria-activedescendant');
    found = [];
  };
  const choose = (index) => {
    chosen = index;
    [...list.children].forEach((item, i) => item.setAttribute('aria-selected', i === index));
    list.children[index]?.scrollIntoView({ block: 'nearest' });
    if (index >= 0) area.setAttribute('aria-activedescendant', `complete-${index}`);
  };
  const row = (one, index) => {
    const item = Object.assign(document.createElement('li'), { id: `complete-${index}` });
    item.setAttribute('role', 'option');
    item.append(Object.assign(document.createElement('span'), { textContent: one.show }),
      Object.assign(document.createElement('small'), { textContent: one.more ?? '' }));
    item.onpointerdown = (e) => { e.preventDefault(); take(index); };       // the field keeps the caret
    return item;
  };
  const look = () => {
    if (!names || document.activeElement !== area || area.selectionStart !== area.selectionEnd) { close(); return; }
    let start, behind;
    [found, start, behind] = typed(area.value, area.selectionStart);
    if (!found.length) { close(); return; }
    place = { start, end: area.selectionStart + behind };
    list.replaceChildren(...found.map(row));
    document.querySelector('.gradio-container').append(list);
    list.hidden = false;
    const at = area.getBoundingClientRect(), { height } = list.getBoundingClientRect();
    const below = at.bottom + height + 4 < innerHeight || at.top < height;
    Object.assign(list.style, { left: `${at.left}px`, width: `${Math.min(at.width, 460)}px`,
      top: `${below ? at.bottom + 2 : at.top - height - 2}px` });
    area.setAttribute('aria-autocomplete', 'list');
    area.setAttribute('aria-controls', list.id);
    choose(found[0].aliases ? -1 : 0);
  };
  const take = (index) => {
    const one = found[index], { start, end } = place, rest = area.value.slice(end);
    const missing = (one.triggers ?? []).filter((word) => !area.value.toLowerCase().includes(word.toLowerCase()));
    const text = one.tag ? [one.tag, ...missing].join(', ') : one.put;
    area.setSelectionRange(start, end);
    document.execCommand('insertText', false, !one.tag && !rest.trim() && one.put[0] !== '_' ? `${text}, ` : text);     // Ctrl+Z knows it
    close();
  };

  document.addEventListener('input', (e) => {
    if (!e.isTrusted || e.isComposing || !e.target.matches?.(FIELDS)) return;       // not what a script wrote, as Ctrl+Up does
    area = e.target;
    load();
    look();
  });
  document.addEventListener('keydown', (e) => {
    if (list.hidden || e.target !== area || e.ctrlKey || e.metaKey || e.altKey || e.isComposing) return;
    const steps = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (steps) choose(chosen < 0 && steps < 0 ? found.length - 1 : (chosen + steps + found.length) % found.length);
    else if (e.key === 'Tab' && !e.shiftKey) take(Math.max(chosen, 0));
    else if (e.key === 'Enter' && !e.shiftKey && chosen >= 0) take(chosen);
    else {
      if (e.key === 'Escape' || e.key === 'ArrowLeft' || e.key === 'ArrowRight' || e.key === 'Enter') close();
      return;
    }
    e.preventDefault();
    e.stopPropagation();
  }, true);
  document.addEventListener('focusout', (e) => { if (e.target === area) close(); }, true);
  window.addEventListener('scroll', (e) => { if (e.target !== list && e.target !== area) close(); }, true);
}
