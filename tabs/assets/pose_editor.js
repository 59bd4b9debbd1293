// The OpenPose editor: a dialog in which the key points of several people are dragged over a picture. Plain SVG, no network
// but the studio itself. `kit`: words, figure (names, limbs, colours, standing), figures (pose_figure.js), poses,
// ask(name, data), store(file).
// Returns open({pose, width, height, picture}) -> a promise of {pose, image, thumb}, or of null when it was left.
(kit) => {
  const { words: w, figure } = kit;
  const { shape, read, written, changed, fitted, mirrored, middle, paint } = kit.figures;
  const REACH = 22, LEAST = 64, MOST = 2048;      // px of the screen around a point; sides of the canvas
  const CARRIED = { 0: 'face', 4: 'hand_right', 7: 'hand_left' };   // what moves along with a joint
  const { element, button } = kit.pieces;

  return (start) => new Promise((finish) => {
    let pose = start.pose ? read(start.pose) : fitted(read(figure.standing), start.width, start.height);
    let chosen = { who: 0, point: null }, past = [], future = [], held = null, tracing = null;

    // -- the dialog ----------------------------------------------------------------------------------------------------------
    const stage = shape('svg', { class: 'stage', tabindex: 0, role: 'application', 'aria-label': w.pose_title });
    const told = element('p', { className: 'pose-told', role: 'status' });
    const say = (line, wrong = false) => { told.textContent = line; told.classList.toggle('wrong', wrong); };
    const side = (name) => element('input', { type: 'number', min: LEAST, max: MOST, step: 8, ariaLabel: w[name],
      onchange: (e) => resize(name, Math.round(e.target.value)) });
    const [width, height] = [side('pose_width'), side('pose_height')];
    const people = element('div', { className: 'pose-people' }), points = element('div', { className: 'pose-points' });
    const picker = (accept, take) => element('input', { type: 'file', accept, hidden: true,
      onchange: async (e) => { const [file] = e.target.files; e.target.value = ''; if (file) await take(file); } });
    const tryTo = (act) => async (...given) => {
      try { say(w.pose_working); say(await act(...given) ?? ''); } catch (error) { say(error.message, true); }
    };
    const photo = picker('image/*', tryTo(async (file) => {
      const found = await kit.ask('detect', { ...await kit.store(file), width: pose.width, height: pose.height });
      behind(URL.createObjectURL(file));
      act(() => { pose = read(found); chosen = { who: 0, point: null }; });
      return found.by;
    }));
    const under = picker('image/*', (file) => behind(URL.createObjectURL(file)));
    const json = picker('.json,application/json', tryTo(async (file) => {
      const found = read(await kit.ask('read', { text: await file.text() }));
      act(() => { pose = found; chosen = { who: 0, point: null }; });
    }));
    const sight = element('input', { type: 'range', min: 0, max: 1, step: 0.05, value: 0.6, ariaLabel: w.pose_sight,
      oninput: () => tracing?.setAttribute('opacity', sight.value) });
    const undo = button('↶', () => turn(past, future), { title: w.undo, ariaLabel: w.undo });
    const redo = button('↷', () => turn(future, past), { title: w.pose_redo, ariaLabel: w.pose_redo });
    const presets = element('div', { className: 'pose-presets' }, ...kit.poses.map((preset) => {
      const sketch = shape('svg', {});
      paint(sketch, read(preset.pose), { joint: 9 });
      return element('button', { type: 'button', className: 'preset', title: preset.title, onclick: () => act(() => {
        pose = fitted(read(preset.pose), pose.width, pose.height); chosen = { who: 0, point: null };
      }) }, sketch, element('span', { textContent: preset.title }));
    }));
    const group = (title, ...inside) => element('fieldset', {}, element('legend', { textContent: title }), ...inside);
    const row = (...inside) => element('div', { className: 'pose-row' }, ...inside);
    const dialog = element('dialog', { className: 'pose-editor', oncancel: (e) => { e.preventDefault(); leave(null); } },
      element('header', {}, element('h2', { textContent: w.pose_title }), undo, redo,
        button('⇋', () => act(() => { pose = mirrored(pose); }), { title: w.pose_mirror, ariaLabel: w.pose_mirror }),
        button('✕', () => leave(null), { title: w.pose_leave, ariaLabel: w.pose_leave })),
      element('div', { className: 'pose-body' },
        element('div', { className: 'pose-stage' }, stage, told),
        element('div', { className: 'pose-tools' },
          group(w.pose_presets, presets),
          group(w.pose_people, people, row(
            button(w.pose_add, add, { className: 'pose-add' }), button(w.pose_copy, double), button(w.pose_remove, remove),
            button('+', () => size(1.08), { title: w.pose_larger, ariaLabel: w.pose_larger }),
            button('−', () => size(1 / 1.08), { title: w.pose_smaller, ariaLabel: w.pose_smaller }))),
          group(w.pose_points, points, row(button(w.pose_hide, hide, { className: 'pose-hide' }),
            element('small', { textContent: w.pose_hint }))),
          group(w.pose_background, row(button(w.pose_trace, () => under.click()), button(w.pose_detect, () => photo.click()),
            button(w.pose_no_background, () => behind(null))), sight),
          group(w.pose_canvas, row(width, element('span', { textContent: '×' }), height)),
          group(w.pose_file, row(button(w.import, () => json.click()), button(w.export, save)), photo, under, json))),
      element('div', { className: 'pose-foot' }, button(w.pose_leave, () => leave(null)),
        button(w.pose_use, tryTo(async () => {
          const data = written(pose);
          leave({ pose: data, ...await kit.ask('kept', { text: JSON.stringify(data) }) });
        }), { className: 'primary pose-use' })));

    // -- what is shown -------------------------------------------------------------------------------------------------------
    const show = () => {
      const box = stage.getBoundingClientRect();
      const joint = Math.max(4, 6 * pose.width / Math.max(box.width, 1));     // never smaller than a finger can see
      paint(stage, pose, { joint, chosen, outlines: true });
      [width.value, height.value] = [pose.width, pose.height];
      [undo.disabled, redo.disabled] = [!past.length, !future.length];
      people.replaceChildren(...pose.people.map((_, who) => button(`${who + 1}`, () => { choose(who, null); }, {
        className: who === chosen.who ? 'chosen' : '', ariaLabel: `${w.pose_person} ${who + 1}` })));
      const person = pose.people[chosen.who];
      points.replaceChildren(...figure.names.map((name, i) => {
        const chip = button(w[`pose_point_${i}`] ?? name, () => { person?.body[i] ? choose(chosen.who, i) : back(i); }, {
          className: `point ${chosen.point === i ? 'chosen' : ''} ${person?.body[i] ? '' : 'gone'}`, disabled: !person });
        chip.dataset.point = i;
        chip.prepend(element('i', { style: `background: rgb(${figure.colours[i]})` }));
        return chip;
      }));
    };
    const choose = (who, point) => { chosen = { who, point }; show(); };
    const behind = (url) => {
      tracing?.remove();
      tracing = url && shape('image', { href: url, x: 0, y: 0, width: pose.width, height: pose.height, opacity: sight.value,
        preserveAspectRatio: 'xMidYMid meet' });
      if (tracing) stage.prepend(tracing);
      show();
    };

    // -- what is done, with undo ---------------------------------------------------------------------------------------------
    const remember = (before) => { past.push(before); past = past.slice(-100); future = []; };
    const act = (change) => { remember(JSON.stringify(pose)); change(); show(); };
    const turn = (from, to) => {
      if (!from.length) return;
      to.push(JSON.stringify(pose));
      pose = JSON.parse(from.pop());
      chosen = { who: Math.min(chosen.who, Math.max(pose.people.length - 1, 0)), point: null };
      show();
    };
    function add() { act(() => {
      const one = fitted(read(figure.standing), pose.width, pose.height).people[0];
      const shift = pose.people.length ? pose.width * 0.08 * ((pose.people.length % 5) + 1) : 0;
      pose.people.push(changed(one, (x, y) => [x + shift, y]));
      chosen = { who: pose.people.length - 1, point: null };
    }); }
    function double() { if (pose.people[chosen.who]) act(() => {
      pose.people.push(changed(pose.people[chosen.who], (x, y) => [x + pose.width * 0.08, y]));
      chosen = { who: pose.people.length - 1, point: null };
    }); }
    function remove() { if (pose.people[chosen.who]) act(() => {
      pose.people.splice(chosen.who, 1);
      chosen = { who: Math.max(0, chosen.who - 1), point: null };
    }); }
    function size(k) { const person = pose.people[chosen.who]; if (person) act(() => {
      const [cx, cy] = middle(person);
      pose.people[chosen.who] = changed(person, (x, y) => [cx + (x - cx) * k, cy + (y - cy) * k]);
    }); }
    function hide() { if (pose.people[chosen.who]?.body[chosen.point]) act(() => {
      pose.people[chosen.who].body[chosen.point] = null;
      chosen.point = null;
    }); }
    const back = (i) => act(() => {     // where a standing person of that place has it
      const one = fitted(read(figure.standing), pose.width, pose.height).people[0], person = pose.people[chosen.who];
      const common = figure.names.map((_, j) => j).filter((j) => person.body[j]);
      const near = common.length ? common : [i];
      const offset = [0, 1].map((d) => near.reduce((sum, j) => sum + (person.body[j] ?? one.body[j])[d] - one.body[j][d], 0)
        / near.length);
      person.body[i] = [0, 1].map((d) => Math.min(Math.max(one.body[i][d] + offset[d], 0),
        [pose.width, pose.height][d] - 1)).concat(1);
      chosen.point = i;
    });
    function resize(name, value) { if (value >= LEAST && value <= MOST) act(() => {
      pose = name === 'pose_width' ? fitted(pose, value, pose.height) : fitted(pose, pose.width, value);
      for (const [key, length] of [['width', pose.width], ['height', pose.height]]) tracing?.setAttribute(key, length);
    }); else show(); }
    function save() {
      const url = URL.createObjectURL(new Blob([JSON.stringify(written(pose))], { type: 'application/json' }));
      element('a', { href: url, download: 'pose.json' }).click();
      setTimeout(() => URL.revokeObjectURL(url), 10000);
    }
    const move = (who, point, dx, dy) => {
      const person = pose.people[who], shift = (q) => q && [q[0] + dx, q[1] + dy, q[2]];
      if (point === null) { pose.people[who] = changed(person, (x, y) => [x + dx, y + dy]); return; }
      const [x, y, c] = person.body[point];
      person.body[point] = [Math.min(Math.max(x + dx, 0), pose.width - 1), Math.min(Math.max(y + dy, 0), pose.height - 1), c];
      const part = CARRIED[point];
      if (part) person[part] = person[part].map(shift);
    };

    // -- pointer (mouse, pen, touch) and keys --------------------------------------------------------------------------------
    const at = (e) => new DOMPoint(e.clientX, e.clientY).matrixTransform(stage.getScreenCTM().inverse());
    const found = (e) => {
      const { x, y } = at(e), reach = REACH / stage.getScreenCTM().a, near = [];
      pose.people.forEach((person, who) => person.body.forEach((q, point) => {
        if (q) near.push([Math.hypot(q[0] - x, q[1] - y) - (who === chosen.who ? reach / 3 : 0), who, point]);
      }));
      const [best] = near.sort((a, b) => a[0] - b[0]);
      if (best && best[0] < reach) return { who: best[1], point: best[2] };
      const limbs = pose.people.flatMap((person, who) => figure.limbs.map(([a, b]) => {
        const [p, q] = [person.body[a], person.body[b]];
        if (!p || !q) return [Infinity, who];
        const [ux, uy] = [q[0] - p[0], q[1] - p[1]];
        const t = Math.min(Math.max(((x - p[0]) * ux + (y - p[1]) * uy) / (ux * ux + uy * uy || 1), 0), 1);
        return [Math.hypot(p[0] + t * ux - x, p[1] + t * uy - y), who];
      })).sort((a, b) => a[0] - b[0]);
      return limbs.length && limbs[0][0] < reach ? { who: limbs[0][1], point: null } : null;
    };
    stage.onpointerdown = (e) => {
      const hit = found(e);
      if (!hit) return;
      e.preventDefault();
      stage.focus();
      stage.setPointerCapture(e.pointerId);
      held = { ...hit, ...{ x: at(e).x, y: at(e).y }, before: JSON.stringify(pose), moved: false };
      if (e.shiftKey) held.point = null;
      choose(hit.who, held.point);
    };
    stage.onpointermove = (e) => {
      if (!held) return;
      const { x, y } = at(e);
      if (x === held.x && y === held.y) return;
      move(held.who, held.point, x - held.x, y - held.y);
      Object.assign(held, { x, y, moved: true });
      show();
    };
    stage.onpointerup = stage.onpointercancel = () => {
      if (held?.moved) remember(held.before);
      held = null;
      show();
    };
    const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    stage.onkeydown = (e) => {
      const by = KEYS[e.key], far = e.shiftKey ? 10 : 1;
      if (by && pose.people[chosen.who] && !(e.ctrlKey || e.metaKey)) {
        e.preventDefault();
        act(() => move(chosen.who, chosen.point, by[0] * far, by[1] * far));
      } else if (e.key === 'Delete' || e.key === 'Backspace') hide();
    };
    // Before the page's own keys and drops: Esc leaves the dialog and interrupts nothing.
    const keys = (e) => {
      const control = e.ctrlKey || e.metaKey, letter = e.key.toLowerCase();
      if (e.key === 'Escape') leave(null);
      else if (control && letter === 'z') turn(...(e.shiftKey ? [future, past] : [past, future]));
      else if (control && letter === 'y') turn(future, past);
      else if (e.key !== 'Enter' || !(control || e.altKey)) return;
      e.preventDefault();
      e.stopImmediatePropagation();
    };
    const drops = (e) => {
      e.preventDefault();
      e.stopImmediatePropagation();
      const file = [...(e.dataTransfer?.files ?? [])].find((f) => f.type.startsWith('image/'));
      if (e.type === 'drop' && file) behind(URL.createObjectURL(file));
    };
    const leave = (result) => {
      window.removeEventListener('keydown', keys, true);
      for (const name of ['dragover', 'drop']) window.removeEventListener(name, drops, true);
      dialog.close();
      dialog.remove();
      finish(result);
    };
    window.addEventListener('keydown', keys, true);
    for (const name of ['dragover', 'drop']) window.addEventListener(name, drops, true);
    (document.querySelector('.gradio-container') ?? document.body).append(dialog);
    dialog.showModal();
    behind(start.picture ?? null);
    stage.focus();
  });
}
