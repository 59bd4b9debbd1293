// Undo and redo of what the forms hold, kept in the page alone. A step is what one gesture changed, in whatever tab: typing,
// a preset, settings taken over, a picture sent. Forms report all their values after every change (`note`).
() => {
  const MOST = 100, TYPING = 1200;      // steps kept; ms within which keystrokes in one form are one step
  const past = [], future = [];
  let now = {}, fresh = false, keys = false, noted = { at: 0, form: '' }, restoring = false;
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  const gesture = (e) => {
    if (e.target?.closest?.('#history')) return;
    fresh = true; restoring = false; keys = e.type === 'keydown';
  };
  for (const kind of ['pointerdown', 'keydown', 'drop', 'paste']) document.addEventListener(kind, gesture, true);

  window.atelierUndo = {
    // What all forms hold as the page opens, one after another: [[form, how many values], …] and the values.
    begin(forms, values) {
      let at = 0;
      for (const [form, count] of forms) { now = { [form]: values.slice(at, at + count), ...now }; at += count; }
    },
    // What a form would hold, had nobody changed it while it opened: the step before that change.
    before(form, values) {
      if (form in now) past.push({ ...now, [form]: values });
    },
    note(form, values) {
      if (same(values, now[form])) return;
      const typing = keys && noted.form === form && Date.now() - noted.at < TYPING;
      if (form in now && fresh && !restoring && !typing) {
        past.push({ ...now });
        if (past.length > MOST) past.shift();
        future.length = 0;
      }
      if (!restoring) fresh = false;
      noted = { at: Date.now(), form };
      now = { ...now, [form]: values };
    },
    // What every component of the named forms becomes, one step back (-1) or on (1); those that stay are left alone.
    // `values`: what all forms hold now. A change that no form has reported yet becomes a step before one is taken back;
    // right after another step the values may still be on their way to the page, and say nothing new.
    step(by, forms, values) {
      let at = 0;
      if (!restoring) for (const [form, count] of forms) {
        window.atelierUndo.note(form, values.slice(at, at + count));
        at += count;
      }
      const [from, to] = by < 0 ? [past, future] : [future, past];
      const before = now;
      if (from.length) { to.push(now); now = from.pop(); restoring = true; }
      const stay = { __type__: 'update' };
      return forms.flatMap(([form, count]) => Array.from({ length: count }, (_, i) =>
        now[form] && !same(now[form][i], before[form]?.[i]) ? now[form][i] : stay));
    },
  };
  document.addEventListener('keydown', (e) => {
    const editing = e.target.closest('input, textarea, [contenteditable], canvas');
    const painting = document.querySelector('#inpaint-editor')?.offsetParent;      // it takes the keys itself
    if (!(e.ctrlKey || e.metaKey) || editing || painting) return;
    const key = e.key.toLowerCase(), again = key === 'y' || (key === 'z' && e.shiftKey);
    if (key !== 'z' && key !== 'y') return;
    e.preventDefault();
    document.querySelector(again ? '#redo' : '#undo')?.click();
  });
}
