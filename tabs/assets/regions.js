// The regions of a prompt as boxes on a frame of the picture's shape. The prompt is the only truth: it is read from its field and
// written back, and of its parts only the one that was changed. Returns mount({host, tab, words, base, soft, most, pieces}).
({ host, tab, words: w, base: BASE, soft: SOFT, most, pieces: { element, button } }) => {
  const body = host.querySelector('.regions-body'), told = host.querySelector('.regions-told');
  const area = () => document.querySelector(`#${tab}-prompt textarea`);
  const side = (name) => +document.querySelector(`#${tab}-${name} input[type=number]`)?.value || 512;
  const TAG = /<region:([^<>\n]{0,200})>/i, AND = /(?<![\p{L}\p{N}_])AND(?![\p{L}\p{N}_])/u;
  const WEIGHT = /:[ \t]{0,8}([+-]?(?:\d{1,12}\.?\d{0,12}|\.\d{1,12}))[ \t\n]{0,8}$/;
  const COLOURS = ['#e4572e', '#2e86ab', '#8a5fbf', '#3a9d5d', '#d4a017', '#c2417c'];
  const SMALLEST = 0.04, NEAR = 0.02, STEP = 0.025;
  const rounded = (n) => Math.round(n * 1000) / 1000, share = (n) => Math.min(1, Math.max(0, n));
  let parts = [], text = null, chosen = 0;      // a part is a string, or a region: {words, weight, x, y, width, height, base, soft}

  // -- the prompt's own form ---------------------------------------------------------------------------------------------------
  const read = (part) => {
    const tag = part.match(TAG), [box, ...more] = tag ? tag[1].split(':') : [''];
    const [x, y, width, height] = box.split(',').map((n) => n.trim() === '' ? NaN : +n);
    const set = Object.fromEntries(more.map((one) => one.split('=').map((half) => half.trim())));
    const { base = BASE, soft = SOFT } = set, found = { x, y, width, height, base: +base, soft: +soft };
    if (!tag || box.split(',').length !== 4 || !Object.values(found).every((n) => n >= 0 && n <= 1) || !width || !height) return part;
    const [before, behind] = [part.slice(0, tag.index), part.slice(tag.index + tag[0].length)];
    const whole = before + behind, last = whole.match(WEIGHT), inner = before.match(WEIGHT);      // a style may stand behind
    const words = last ? whole.slice(0, last.index) : inner ? before.slice(0, inner.index) + behind : whole;
    return { ...found, words: words.trim(), weight: +(last ?? inner ?? [0, 1])[1] };
  };
  const written = (part) => typeof part === 'string' ? part : ` ${part.words}${part.weight === 1 ? '' : ` :${part.weight}`} <region:${
    [part.x, part.y, part.width, part.height].map(rounded).join(',')}${part.base === BASE ? '' : `:base=${rounded(part.base)}`}${
    part.soft === SOFT ? '' : `:soft=${rounded(part.soft)}`}> `;
  const regions = () => parts.filter((part) => typeof part !== 'string');
  const take = () => { text = area()?.value ?? ''; parts = text.split(AND).map(read); chosen = Math.min(chosen, regions().length - 1); show(); };
  const put = () => {
    const field = area();
    if (!field) return;
    text = parts.map(written).join('AND').trimEnd();
    field.value = text;
    field.dispatchEvent(new Event('input', { bubbles: true }));
    boxes();
  };

  // -- what is shown -----------------------------------------------------------------------------------------------------------
  const frame = element('div', { className: 'regions-frame' });
  const list = element('div', { className: 'regions-list' });
  const slider = (name, label) => {
    const number = element('output'), input = element('input', { type: 'range', min: 0, max: 1, step: 0.05, ariaLabel: label, oninput: () => {
      regions().forEach((one) => { one[name] = +input.value; }); number.value = input.value; put(); } });
    return { set: (value) => { input.value = value; number.value = value; }, row: element('label', {}, `${label} `, input, number) };
  };
  const base = slider('base', w.base), soft = slider('soft', w.soft);
  const adder = button(`+ ${w.add}`, () => add(free()));
  const set = element('div', { className: 'regions-set' }, base.row, soft.row);
  body.append(element('p', { textContent: w.hint }), frame, list, element('div', {}, adder), set);

  const boxes = () => {
    const focused = frame.contains(document.activeElement) ? document.activeElement.dataset.index : -1;
    frame.replaceChildren(...regions().map((one, i) => {
      const box = element('div', { className: `box${i === chosen ? ' chosen' : ''}`, tabIndex: 0, ariaLabel: `${i + 1} ${one.words}` },
        element('span', { textContent: `${i + 1} ${one.words}` }), ...['nw', 'ne', 'sw', 'se'].map((at) => {
          const corner = element('i', { className: at });
          corner.dataset.corner = at;
          return corner;
        }));
      box.dataset.index = i;
      box.style.cssText = `left:${one.x * 100}%;top:${one.y * 100}%;width:${Math.min(one.width, 1 - one.x) * 100}%;height:${
        Math.min(one.height, 1 - one.y) * 100}%;--ink:${COLOURS[i % COLOURS.length]}`;
      return box;
    }));
    frame.children[focused]?.focus({ preventScroll: true });
    told.textContent = regions().length || '';
  };
  const show = () => {
    boxes();
    const all = regions();
    list.replaceChildren(...all.map((one, i) => element('div', { className: 'regions-row' },
      element('b', { textContent: i + 1, style: `background:${COLOURS[i % COLOURS.length]}` }),
      element('input', { type: 'text', value: one.words, placeholder: w.what, ariaLabel: `${w.what} ${i + 1}`,
        onfocus: () => choose(i), oninput: (e) => { one.words = e.target.value; put(); } }),
      element('input', { type: 'number', value: one.weight, step: 0.1, min: -10, max: 10, title: w.weight, ariaLabel: `${w.weight} ${i + 1}`,
        onfocus: () => choose(i), oninput: (e) => { if (e.target.value !== '' && e.target.checkValidity()) { one.weight = +e.target.value; put(); } } }),
      button('✕', () => drop(one), { title: w.remove, ariaLabel: `${w.remove} ${i + 1}` }))));
    set.hidden = !all.length;
    if (all.length) { base.set(all[0].base); soft.set(all[0].soft); }
    adder.disabled = parts.length >= most;
  };
  const choose = (i) => { chosen = i; for (const box of frame.children) box.classList.toggle('chosen', +box.dataset.index === i); };

  // -- what is done ------------------------------------------------------------------------------------------------------------
  const free = () => {        // a half that is not taken, else the middle
    const halves = [0, 0.5].map((x) => ({ x, y: 0, width: 0.5, height: 1 }));
    return halves.find((half) => !regions().some((one) => one.x < half.x + 0.49 && one.x + one.width > half.x + 0.01))
      ?? { x: 0.25, y: 0.25, width: 0.5, height: 0.5 };
  };
  const add = (box) => {
    if (parts.length >= most) return;
    const [first] = regions();
    if (typeof parts.at(-1) === 'string' && !/\s$/.test(parts.at(-1))) parts[parts.length - 1] += ' ';
    parts.push({ ...box, words: '', weight: 1, base: first?.base ?? BASE, soft: first?.soft ?? SOFT });
    chosen = regions().length - 1;
    show(); put();
    list.lastElementChild.querySelector('input').focus();
  };
  const drop = (one) => { parts = parts.filter((part) => part !== one); chosen = Math.max(0, chosen - 1); show(); put(); };
  const snapped = (at, name, but) => {
    const lines = [0, 0.5, 1, ...regions().filter((one) => one !== but).flatMap((one) => name === 'x'
      ? [one.x, one.x + one.width] : [one.y, one.y + one.height])];
    return share(lines.find((line) => Math.abs(line - at) < NEAR) ?? rounded(at));
  };
  const spanned = (from, to, one) => {        // the box between two points
    const [x, right] = [from.x, to.x].map((at) => snapped(at, 'x', one)).sort((a, b) => a - b);
    const [y, bottom] = [from.y, to.y].map((at) => snapped(at, 'y', one)).sort((a, b) => a - b);
    return { x, y, width: rounded(right - x), height: rounded(bottom - y) };
  };
  const moved = (one, x, y) => Object.assign(one, { x: rounded(Math.min(Math.max(0, x), 1 - one.width)),
    y: rounded(Math.min(Math.max(0, y), 1 - one.height)) });
  const at = (e) => { const r = frame.getBoundingClientRect(); return { x: share((e.clientX - r.x) / r.width), y: share((e.clientY - r.y) / r.height) }; };
  let held = null;
  frame.onpointerdown = (e) => {
    e.preventDefault();
    frame.setPointerCapture(e.pointerId);
    const box = e.target.closest('.box'), from = at(e), one = box && regions()[+box.dataset.index];
    if (!one) { held = { from, ghost: element('div', { className: 'box ghost' }) }; frame.append(held.ghost); return; }
    choose(+box.dataset.index);
    box.focus();
    const corner = e.target.dataset.corner;
    held = corner ? { one, from: { x: corner.includes('w') ? one.x + one.width : one.x, y: corner.includes('n') ? one.y + one.height : one.y } }
      : { one, grip: { x: from.x - one.x, y: from.y - one.y } };
  };
  frame.onpointermove = (e) => {
    if (!held) return;
    const { one, grip, ghost } = held, to = at(e);
    if (grip) {
      let [x, y] = [to.x - grip.x, to.y - grip.y];
      const across = snapped(x, 'x', one), right = snapped(x + one.width, 'x', one) - one.width;
      x = Math.abs(across - x) > 0.001 ? across : right;
      y = snapped(y, 'y', one);
      moved(one, x, y);
    } else {
      const box = spanned(held.from, to, one ?? null);
      if (ghost) {
        held.box = box;
        ghost.style.cssText = `left:${box.x * 100}%;top:${box.y * 100}%;width:${box.width * 100}%;height:${box.height * 100}%`;
        return;
      }
      if (box.width >= SMALLEST && box.height >= SMALLEST) Object.assign(one, box);
    }
    held.changed = true;
    boxes();
  };
  frame.onpointerup = frame.onpointercancel = (e) => {
    const { ghost, box, changed } = held ?? {};
    held = null;
    ghost?.remove();
    if (changed) put();
    else if (e.type === 'pointerup' && box && box.width >= SMALLEST && box.height >= SMALLEST) add(box);
  };
  const KEYS = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
  frame.onkeydown = (e) => {
    const one = regions()[+e.target.dataset?.index], by = KEYS[e.key];
    if (!one || e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === 'Delete' || e.key === 'Backspace') drop(one);
    else if (by && e.shiftKey) {
      one.width = rounded(Math.min(1 - one.x, Math.max(SMALLEST, one.width + by[0])));
      one.height = rounded(Math.min(1 - one.y, Math.max(SMALLEST, one.height + by[1])));
    } else if (by) moved(one, one.x + by[0], one.y + by[1]);
    else return;
    e.preventDefault();
    put();
  };

  // The prompt and the size change in many ways (typing, undo, a preset, settings taken over): an open fold looks now and then.
  const look = () => {
    if (!host.open || !host.offsetParent || held) return;
    frame.style.setProperty('--shape', side('width') / side('height'));
    if (area() && area().value !== text) take();
  };
  host.addEventListener('toggle', look);
  setInterval(look, 300);
  look();
}
