// What a field does: said when the pointer rests on its name, when the Tab key comes to it, at a long touch, and at a tap on the
// name where the screen has no pointer (there the name wears an ⓘ). `texts`: a sentence by the field's id or the
// end of it ("hires-steps"); the fields of a unit say themselves which is theirs. Nothing is laid out for it: forms stay as short as they are.
(texts) => {
  const REST = 450, TOUCH = 500;      // ms before it is said
  const NAMES = '[data-testid="block-info"], .checkbox-container, .label-text, .unit-field > span:first-child';
  const made = (look) => Object.assign(document.createElement('div'), look);
  const tip = made({ id: 'tip', role: 'tooltip', hidden: true }), told = made({ id: 'tip-told', hidden: true });
  let waiting = 0, keys = false, touched = false, held = false;

  const field = (target) => target.closest?.('.helped, .unit-field[data-help]');
  const said = (field) => field && (texts[field.id] ?? texts[field.dataset.help ?? field.id.slice(field.id.indexOf('-') + 1)]);
  const name = (target) => (field(target) ? target.closest(NAMES) : null);
  const hide = () => { clearTimeout(waiting); tip.hidden = true; };
  const show = (field, by) => {
    const text = said(field);
    if (!text) return;
    document.querySelector('.gradio-container').append(tip);
    tip.textContent = text;
    tip.hidden = false;
    const at = by.getBoundingClientRect(), { width, height } = tip.getBoundingClientRect();
    const above = at.top - height - 6;
    tip.style.left = `${Math.max(8, Math.min(at.left, innerWidth - width - 8))}px`;
    tip.style.top = `${above > 4 ? above : at.bottom + 6}px`;
  };

  document.addEventListener('pointerover', (e) => {
    if (e.pointerType === 'touch' || e.target.closest?.('#tip')) return;      // the tip itself may be rested on, too
    const on = name(e.target);
    if (!on) { hide(); return; }
    clearTimeout(waiting);
    waiting = setTimeout(() => { if (on.matches(':hover')) show(field(on), on); }, REST);
  });
  document.addEventListener('pointerdown', (e) => {
    keys = held = false;
    touched = e.pointerType === 'touch';
    hide();
    const on = name(e.target);
    if (touched && on) waiting = setTimeout(() => { held = true; show(field(on), on); }, TOUCH);
  }, true);
  document.addEventListener('pointercancel', () => clearTimeout(waiting), true);
  document.addEventListener('click', (e) => {
    const on = name(e.target), ticked = on?.matches('.checkbox-container, .label-text');
    if (!touched || !on || e.detail === 0) return;
    clearTimeout(waiting);
    if (ticked && !held) return;
    e.preventDefault();       // the field is asked about, not entered
    if (!held && said(field(on))) show(field(on), on);
  }, true);
  document.addEventListener('keydown', (e) => { keys = e.key === 'Tab'; hide(); }, true);
  document.addEventListener('scroll', () => { tip.hidden = true; }, true);
  document.addEventListener('focusout', hide, true);
  document.addEventListener('focusin', (e) => {
    const on = field(e.target), text = said(on);
    if (!text || !e.target.matches('input, textarea, select, button')) return;
    document.body.append(told);
    told.textContent = text;
    e.target.setAttribute('aria-describedby', told.id);
    if (keys) show(on, on.querySelector(NAMES) ?? on);
  }, true);
}
