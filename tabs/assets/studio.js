// Keyboard and drops: Ctrl+Enter generates, Alt+Enter skips, Esc interrupts, Ctrl+Up/Down weighs the selected words,
// a picture dropped anywhere is what the form on screen starts from, or hands it its settings.
() => {
  const night = localStorage.getItem('atelier-night');
  if (night !== null) document.body.classList.toggle('dark', night === '1');
  const visible = (id) => [...document.querySelectorAll(`[id$="-${id}"]`)].find((e) => e.offsetParent !== null);
  const press = (id) => { const e = visible(id); const b = e && (e.tagName === 'BUTTON' ? e : e.querySelector('button'));
    if (b && !b.disabled) b.click(); return !!b; };

  // Attention syntax: (words:1.1). A selection grows to whole words; a weight of 1 loses its brackets.
  const weigh = (area, delta) => {
    let { selectionStart: a, selectionEnd: b, value } = area;
    if (a === b) {
      while (a > 0 && /[^\s,()[\]]/.test(value[a - 1])) a--;
      while (b < value.length && /[^\s,()[\]]/.test(value[b])) b++;
    }
    if (a === b) return;
    let words = value.slice(a, b), weight = 1, start = a, end = b;
    const inside = words.match(/^\((.*):([\d.]+)\)$/s);
    const after = value.slice(b).match(/^:([\d.]+)\)/);
    if (inside) { words = inside[1]; weight = parseFloat(inside[2]); }
    else if (value[a - 1] === '(' && after) { weight = parseFloat(after[1]); start = a - 1; end = b + after[0].length; }
    weight = Math.round((weight + delta) * 100) / 100;
    if (weight <= 0) return;
    const text = weight === 1 ? words : `(${words}:${weight})`;
    area.setRangeText(text, start, end, 'preserve');
    const from = start + (weight === 1 ? 0 : 1);
    area.setSelectionRange(from, from + words.length);
    area.dispatchEvent(new Event('input', { bubbles: true }));
  };

  document.addEventListener('keydown', (e) => {
    const control = e.ctrlKey || e.metaKey;
    if (e.key === 'Enter' && control) { if (press('generate')) e.preventDefault(); }
    else if (e.key === 'Enter' && e.altKey) { if (press('skip')) e.preventDefault(); }
    else if (e.key === 'Escape') press('interrupt');
    else if (control && (e.key === 'ArrowUp' || e.key === 'ArrowDown') && e.target.closest('.prompt textarea')) {
      e.preventDefault();
      weigh(e.target, e.key === 'ArrowUp' ? 0.1 : -0.1);
    }
  }, true);

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
