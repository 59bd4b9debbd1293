// Keyboard, drops and the window's title. The keys are listed in tabs/settings.py, which `?` shows; a picture dropped anywhere
// is what the form on screen starts from, or hands it its settings.
() => {
  const night = localStorage.getItem('atelier-night');
  if (night !== null) document.body.classList.toggle('dark', night === '1');
  const visible = (id) => [...document.querySelectorAll(`[id$="-${id}"]`)].find((e) => e.offsetParent !== null);
  const press = (id) => { const e = visible(id); const b = e && (e.tagName === 'BUTTON' ? e : e.querySelector('button'));
    if (b && !b.disabled) b.click(); return !!b; };

  // The innermost (words:1.2) that holds all from a to b, or the <lora:name:0.8> there: where its number and its words stand.
  const group = (value, a, b) => {
    for (const found of value.matchAll(/<(?:lora|lyco|hypernet):[^<>:]+:(-?[\d.]+)>/g)) {
      const end = found.index + found[0].length;
      if (found.index < a && b < end) return { lora: true, end: end - 1, number: end - 1 - found[1].length };
    }
    const open = [], skipped = (i) => value[i - 1] === '\\';
    for (let i = 0; i < value.length; i++) {
      if (value[i] === '(' && !skipped(i)) open.push(i);
      else if (value[i] === ')' && !skipped(i) && open.length) {
        const start = open.pop(), number = value.slice(start + 1, i).match(/:\s*([\d.]+)\s*$/);
        if (number && start < a && b <= i) return { start, end: i, number: i - number[0].length + 1 };
      }
    }
    return null;
  };

  // Attention syntax: (words:1.1). A caret in such a group changes the group; else what is selected grows to whole words and
  // becomes one. A weight of 1 loses its brackets.
  const weigh = (area, delta) => {
    let { selectionStart: a, selectionEnd: b } = area;
    const { value } = area, caret = a === b, letter = (c) => c !== undefined && /[^\s,:()[\]<>|\\]/.test(c);
    if (value[a] === '(' && value[b - 1] === ')' && group(value, a + 1, b - 1)?.start === a) { a++; b = a; }
    const set = (text, start, end, from, to) => {
      area.setRangeText(text, start, end, 'preserve');
      area.setSelectionRange(from, to);
      area.dispatchEvent(new Event('input', { bubbles: true }));
    };
    const rounded = (weight) => Math.round((weight + delta) * 100) / 100;
    const within = group(value, a, b);
    if (within?.lora) {
      const text = String(rounded(parseFloat(value.slice(within.number, within.end))));
      set(text, within.number, within.end, a, Math.min(b, within.number + text.length));
      return;
    }
    if (within && (caret || a === b || (within.start + 1 === a && b >= within.number - 1))) {
      const words = value.slice(within.start + 1, within.number - 1), weight = rounded(parseFloat(value.slice(within.number, within.end)));
      if (weight <= 0) return;
      const plain = weight === 1, by = plain ? 1 : 0, limit = within.start + 1 - by + words.length;
      const at = (place) => Math.min(Math.max(place - by, within.start), limit);
      set(plain ? words : `(${words}:${weight})`, within.start, within.end + 1, at(a), at(b));
      return;
    }
    while (a > 0 && letter(value[a - 1]) && (caret || letter(value[a]))) a--;
    while (letter(value[b]) && (caret || letter(value[b - 1]))) b++;
    if (a === b) return;
    const words = value.slice(a, b);
    set(`(${words}:${rounded(1)})`, a, b, a + 1, a + 1 + words.length);
  };

  // What Esc closes before it stops a run: a list that dropped down, a menu, a dialog, a picture over the whole page.
  const OVER = '[role=listbox], .overflow-dropdown, dialog[open], .block.fullscreen';
  const over = () => [...document.querySelectorAll(OVER)].find((e) => e.getClientRects().length);

  // What is done with the chosen picture waits until the studio knows which one that is, or it would befall another.
  const DEEDS = '[id$="-favourite"], [id$="-trash"], #gallery-several-star, #gallery-several-move';
  const THUMBS = '#gallery-grid .thumbnail-lg, .results .thumbnail-item';
  const waiting = [];
  let unsettled = 0;
  const settled = () => { clearTimeout(unsettled); unsettled = 0; waiting.shift()?.(); };
  const unsettle = () => { clearTimeout(unsettled); unsettled = setTimeout(settled, 5000); };
  const soon = (deed) => { if (!unsettled) deed(); else if (waiting.length < 8) waiting.push(deed); };
  window.atelierChosen = { settled };
  document.addEventListener('click', (e) => {
    const deed = e.target.closest(DEEDS);
    if (deed && unsettled && e.isTrusted) { e.stopPropagation(); e.preventDefault(); soon(() => deed.click()); }
    else if (e.target.closest(THUMBS)) {
      window.atelierHeld = e.shiftKey ? 'range' : e.ctrlKey || e.metaKey ? 'more' : '';
      unsettle();
    } else if (deed && !deed.disabled) unsettle();
  }, true);

  // The gallery by keys: arrows move and turn its pages, with Shift they pick; F and Del are for what is picked, else for the
  // chosen one, and on an easel that has the focus for its picture.
  const usable = (id) => { const e = document.querySelector(id); return e?.offsetParent && !e.disabled ? e : null; };
  const act = (id) => usable(id)?.click();
  const move = (key, shiftKey) => {
    const thumbs = [...document.querySelectorAll('#gallery-grid .thumbnail-lg')], at = thumbs.findIndex((e) => e.matches('.selected'));
    const across = thumbs.filter((e) => e.getBoundingClientRect().top === thumbs[0].getBoundingClientRect().top).length;
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[key];
    const next = at >= 0 ? thumbs[at + by] : by > 0 ? thumbs[0] : thumbs.at(-1);
    if (next) {
      next.scrollIntoView({ block: 'nearest' });
      next.focus({ preventScroll: true });
      next.dispatchEvent(new MouseEvent('click', { bubbles: true, shiftKey }));
    } else if (Math.abs(by) === 1) act(by < 0 ? '#gallery-newer' : '#gallery-older');
  };
  const NOT_HERE = 'input, textarea, select, [contenteditable], canvas, dialog, [role=tablist], #gallery-compare';
  const cull = (e) => {
    const key = e.key === 'Backspace' ? 'Delete' : e.key.length === 1 ? e.key.toLowerCase() : e.key, arrow = key.startsWith('Arrow');
    const easel = e.target.closest('.easel'), gallery = document.querySelector('#gallery-grid')?.offsetParent;
    if (e.altKey || !(easel || gallery) || e.target.closest(NOT_HERE)) return;
    if (e.ctrlKey || e.metaKey) { if (gallery && key === 'a') { e.preventDefault(); act('#gallery-several-page'); } return; }
    if (easel && arrow) { if (easel.querySelector('.results .thumbnail-small')) unsettle(); return; }     // Gradio's own keys
    if (gallery && key === 'Escape') return over() ? undefined : act('#gallery-several-none');
    if (key !== 'f' && key !== 'Delete' && !(arrow && gallery)) return;
    e.preventDefault();
    if (e.repeat && unsettled) return;
    const id = easel?.querySelector('[id$="-favourite"]')?.id.replace('-favourite', '') ?? 'gallery';
    soon(() => {
      if (arrow) move(key, e.shiftKey);
      else if (!easel && usable('#gallery-several-move')) act(key === 'f' ? '#gallery-several-star' : '#gallery-several-move');
      else act(`#${id}-${key === 'f' ? 'favourite' : 'trash'}`);
    });
  };

  const listed = () => document.querySelector('#keys');
  document.addEventListener('click', (e) => {
    if (e.target.closest('[data-keys]')) listed()?.showModal();
    else if (e.target === listed()) e.target.close();       // beside it
  });

  document.addEventListener('keydown', (e) => {
    cull(e);
    if (e.key === '?' && !e.target.closest('input, textarea, [contenteditable], dialog')) listed()?.showModal();
    const control = e.ctrlKey || e.metaKey;
    if (e.key === 'Enter' && control) { if (press('generate')) e.preventDefault(); }
    else if (e.key === 'Enter' && e.altKey) { if (press('skip')) e.preventDefault(); }
    else if (e.key === 'Escape') {
      const open = over();
      if (open) open.querySelector('button[aria-label="Exit fullscreen mode"], button[title="Exit fullscreen mode"]')?.click();
      else if (!document.fullscreenElement) press('interrupt');
    }
    else if (e.key === 'Tab' && e.target.matches('input[aria-controls$="-options"]')) {
      e.stopPropagation();      // Gradio 6.31 opens a list again that Tab has just left
    } else if (control && (e.key === 'ArrowUp' || e.key === 'ArrowDown') && e.target.closest('.prompt textarea')) {
      e.preventDefault();
      weigh(e.target, e.key === 'ArrowUp' ? 0.1 : -0.1);
    }
  }, true);

  // The title says how far what runs has come and, until somebody looks again, how it ended. A hidden page is asked once a second.
  let stage = null, quiet = 0, news = '';
  const title = () => {
    const bars = [...document.querySelectorAll('.stage.busy .progress')].sort((a, b) => b.ariaValueNow - a.ariaValueNow);
    if (!document.hidden) news = '';
    if (bars.length) { stage = bars[0].closest('[id]'); quiet = 0; news = ''; }
    else if (stage?.isConnected && ++quiet > 1 && !document.querySelector('[id$="-forever"] input:checked')) {
      if (document.hidden) {
        news = document.querySelector('.masthead').dataset[stage.querySelector('.error') ? 'failed' : 'done'];
        if (localStorage.getItem('atelier-notify') === '1' && window.Notification?.permission === 'granted')
          new Notification('Atelier', { body: news, tag: 'atelier' }).onclick = () => window.focus();
      }
      stage = null;
    }
    const now = bars.length ? `${Math.round(bars[0].ariaValueNow * 100)} % · Atelier` : news ? `${news} · Atelier` : 'Atelier';
    if (document.title !== now) document.title = now;
  };
  setInterval(title, 1000);
  document.addEventListener('visibilitychange', title);

  document.addEventListener('dragover', (e) => { if (e.dataTransfer?.types.includes('Files')) e.preventDefault(); });
  document.addEventListener('drop', (e) => {
    const file = [...(e.dataTransfer?.files ?? [])].find((f) => f.type.startsWith('image/'));
    const input = (visible('source') ?? visible('drop'))?.querySelector('input[type=file]');
    if (!file || !input || e.target.closest('input[type=file], .drop, .upload-container')) return;
    e.preventDefault();
    const bag = new DataTransfer();
    bag.items.add(file);
    input.files = bag.files;
    input.dispatchEvent(new Event('change', { bubbles: true }));
  });
}
