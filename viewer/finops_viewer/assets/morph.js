// Makes one tree of elements equal to another, touching only what differs: scroll, focus and selection stay.
"use strict";

finops.morph = (() => {
  const READERS_OWN = { DETAILS: ["open"], TH: ["aria-sort"] }; // attributes that the reader sets by using the page

  function attributes(from, to) {
    const own = READERS_OWN[from.tagName] || [];
    for (const { name } of [...from.attributes]) {
      if (!to.hasAttribute(name) && !own.includes(name)) from.removeAttribute(name);
    }
    for (const { name, value } of to.attributes) {
      if (from.getAttribute(name) !== value && !own.includes(name)) from.setAttribute(name, value);
    }
  }

  const same = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");

  function children(from, to) {
    const named = new Map([...from.children].filter((e) => e.id).map((e) => [e.id, e]));
    let place = from.firstChild;
    for (const next of [...to.childNodes]) {
      const known = next.id && named.get(next.id);
      if (known && known !== place && same(known, next)) from.insertBefore(known, place);
      const current = known && same(known, next) ? known : place;
      if (current && same(current, next)) {
        node(current, next);
        place = current.nextSibling;
      } else {
        from.insertBefore(document.importNode(next, true), place);
      }
    }
    while (place) {
      const gone = place;
      place = place.nextSibling;
      gone.remove();
    }
  }

  function node(from, to) {
    if (from.nodeType !== Node.ELEMENT_NODE) {
      if (from.data !== to.data) from.data = to.data;
    } else if (!from.isEqualNode(to)) {
      if (from.hasAttribute("data-keep")) return; // scripts own what is in it
      attributes(from, to);
      children(from, to);
    }
  }

  return node;
})();
