// The two pieces of which the panels are put together: an element with its properties and what is inside it, and a button.
() => {
  const element = (tag, look = {}, ...inside) => {
    const made = Object.assign(document.createElement(tag), look);
    made.append(...inside.filter((part) => part !== null));
    return made;
  };
  const button = (text, act, look = {}) => element('button', { type: 'button', textContent: text, onclick: act, ...look });
  return { element, button };
}
