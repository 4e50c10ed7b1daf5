// What the live page adds to simcord's: the list of channels and threads, the way into a thread and back, the
// member's Discord language, a message's menu of commands. bot/preview/page.py is the other half.

const secret = window.location.hash.slice(1);
const POLL = 1000; // milliseconds
const $ = (id) => document.getElementById(id);

let latest = null; // what /live/places last said
let followed = null; // the thread that was last followed, or offered
let wanted = new URLSearchParams(window.location.search).get("place");
let lost = false;
const read = new Map(); // channel id -> its last message when it was last looked at

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function page() {
  return window.simcordPreview;
}

async function request(path, body) {
  const headers = { "X-Simcord-Capability": secret, "X-Simcord-Context": page().contextId };
  if (body) headers["Content-Type"] = "application/json";
  const response = await fetch(path, {
    method: body ? "POST" : "GET", headers, cache: "no-store", body: body && JSON.stringify(body),
  });
  if (!response.ok) throw Object.assign(new Error("refused"), { status: response.status });
  return response.json();
}

function act(kind, body) {
  return request("/api/action", { kind, ...body });
}

// ---------------------------------------------------------------- moving about

function address(id) {
  return `/?place=${id}${window.location.hash}`;
}

async function open(id, { remember = true } = {}) {
  hideToast();
  closeMenu();
  try {
    await act("live:move", { channel_id: id });
  } catch {
    await refresh();
    return;
  }
  if (remember) window.history.pushState({ place: id }, "", address(id));
  if (document.querySelector(".preview-shell.messages-open")) $("messages-toggle").click(); // the drawer of a narrow page
  await refresh();
  $("channel-composer-input")?.focus();
}

window.addEventListener("popstate", () => {
  const id = new URLSearchParams(window.location.search).get("place") ?? home()?.id;
  if (id && id !== latest?.here) void open(id, { remember: false });
});

function home() {
  return latest?.places.find((place) => !place.parent);
}

function isBusy() {
  const composer = $("channel-composer-input");
  const text = composer?.value ?? composer?.textContent ?? "";
  return Boolean(text.trim() || page().renderState.modalHandle);
}

function follow() {
  const id = latest.follow;
  if (!id || id === followed || id === latest.here) return;
  followed = id;
  const place = latest.places.find((item) => item.id === id);
  if (!place) return;
  if (isBusy()) showToast(place);
  else void open(id);
}

// ---------------------------------------------------------------- the frame of the page

const list = element("nav", "places");
list.setAttribute("aria-label", "Channels and threads");
const languages = element("label", "locale-control", "Discord language");
const languagePicker = element("select");
languagePicker.setAttribute("aria-label", "Discord language");
languages.append(languagePicker);
const back = element("button", "place-back", "");
back.type = "button";
const typing = element("div", "typing");
typing.setAttribute("aria-live", "off");
const toast = element("div", "live-toast");
toast.hidden = true;
toast.setAttribute("role", "status");
const banner = element("div", "live-banner");
banner.hidden = true;
banner.setAttribute("role", "alert");

function build() {
  document.body.classList.add("is-live");
  $("messages-sidebar").prepend(list);
  const toggle = $("messages-toggle");
  for (const node of toggle.childNodes) if (node.nodeType === Node.TEXT_NODE) node.textContent = "Channels";
  document.querySelector(".viewer-control").after(languages);
  document.querySelector(".brand-mark").textContent = "F";
  document.querySelector(".preview-brand strong").textContent = "FanFabler";
  document.querySelector(".preview-brand small").textContent = "Preview on SimCord";
  document.querySelector(".channel-header").prepend(back);
  $("channel-name").dir = "auto"; // so that a long title is cut at its end, whichever side that is
  $("channel-composer").before(typing);
  document.body.append(toast, banner);
  back.addEventListener("click", () => home() && open(home().id));
  languagePicker.addEventListener("change", () => void act("live:locale", { locale: languagePicker.value }));
}

function languageName(locale) {
  try {
    const name = new Intl.DisplayNames([locale], { type: "language" }).of(locale);
    return name || locale;
  } catch {
    return locale;
  }
}

function renderPlaces() {
  const shown = latest.places.filter((place) => !place.archived || place.id === latest.here);
  list.replaceChildren(...shown.map((place) => {
    const link = element("a", place.parent ? "place is-thread" : "place");
    link.href = address(place.id);
    link.dataset.placeId = place.id;
    link.append(element("span", "place-icon", place.parent ? (place.private ? "🔒" : "↳") : "#"));
    const name = element("span", "place-name", place.name);
    name.dir = "auto";
    link.append(name);
    if (place.id === latest.here) {
      link.setAttribute("aria-current", "page");
      read.set(place.id, place.last);
    } else if (!read.has(place.id)) {
      read.set(place.id, place.last);
    } else if (read.get(place.id) !== place.last) {
      link.classList.add("is-unread");
    }
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      void open(place.id);
    });
    return link;
  }));
}

function renderFrame() {
  const here = latest.places.find((place) => place.id === latest.here);
  const parent = here?.parent && latest.places.find((place) => place.id === here.parent);
  back.hidden = !parent;
  back.textContent = parent ? `‹ #${parent.name}` : "";
  back.setAttribute("aria-label", parent ? `Back to #${parent.name}` : "");
  document.body.classList.toggle("in-thread", Boolean(parent));
  document.title = here ? `${parent ? "" : "#"}${here.name} · FanFabler preview` : "FanFabler preview";
  typing.textContent = latest.typing ? `${latest.bot} is typing…` : "";
  const status = $("action-status");
  status.classList.toggle("is-quiet", !/not|uncertain|interrupted|ended|closed|unavailable/i.test(status.textContent));
  if (!languagePicker.options.length) {
    const known = latest.locales.map((locale) => [locale, languageName(locale)]);
    for (const [label, locales] of [["Discord's", known], ["Not in Discord yet", Object.entries(latest.beyond)]]) {
      const group = element("optgroup");
      group.label = label;
      group.append(...locales.map(([locale, name]) => new Option(name, locale)));
      languagePicker.append(group);
    }
  }
  if (document.activeElement !== languagePicker) languagePicker.value = latest.locale;
}

function showToast(place) {
  const go = element("button", "", "Open");
  go.type = "button";
  go.addEventListener("click", () => void open(place.id));
  const name = element("span", "", `A thread was opened: ${place.name}`);
  name.dir = "auto";
  toast.replaceChildren(name, go);
  toast.hidden = false;
}

function hideToast() {
  toast.hidden = true;
}

// ---------------------------------------------------------------- links inside messages

document.addEventListener("click", (event) => {
  if (!(event.target instanceof Element) || !latest) return;
  const id = placeOf(event.target);
  if (!id) return;
  event.preventDefault();
  event.stopPropagation();
  void open(id);
}, true);

function placeOf(target) {
  const thread = target.closest(".thread-summary");
  if (thread) return thread.closest("[data-message-id]")?.dataset.messageId;
  const link = target.closest("a[href^='https://discord.com/channels/']");
  const known = (id) => latest.places.some((place) => place.id === id);
  if (link) {
    const id = new URL(link.href).pathname.split("/")[3];
    return known(id) ? id : null;
  }
  const mention = target.closest(".mention");
  if (mention?.textContent.startsWith("#")) {
    return latest.places.find((place) => `#${place.name}` === mention.textContent)?.id;
  }
  return null;
}

// ---------------------------------------------------------------- a message's menu of commands

const menu = element("div", "message-menu");
menu.setAttribute("role", "menu");
menu.hidden = true;

function closeMenu() {
  menu.hidden = true;
}

function openMenu(message, x, y) {
  menu.replaceChildren(element("div", "message-menu-heading", "Apps"), ...latest.messageCommands.map((name) => {
    const item = element("button", "", name);
    item.type = "button";
    item.setAttribute("role", "menuitem");
    item.addEventListener("click", () => {
      closeMenu();
      void act("live:message-command", { name, message_id: message }).catch(() => {}).then(refresh);
    });
    return item;
  }));
  menu.hidden = false;
  menu.style.left = `${Math.min(x, window.innerWidth - menu.offsetWidth - 8)}px`;
  menu.style.top = `${Math.min(y, window.innerHeight - menu.offsetHeight - 8)}px`;
  menu.querySelector("button")?.focus();
}

document.addEventListener("contextmenu", (event) => {
  const message = event.target instanceof Element && event.target.closest(".channel-message");
  if (!message || !latest?.messageCommands.length || window.getSelection()?.toString()) return;
  event.preventDefault();
  openMenu(message.dataset.messageId, event.clientX, event.clientY);
});
document.addEventListener("pointerdown", (event) => {
  if (event.target instanceof Node && !menu.contains(event.target)) closeMenu();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeMenu();
});

// ---------------------------------------------------------------- staying up to date

function say(text) {
  banner.textContent = text;
  banner.hidden = !text;
}

async function refresh() {
  try {
    latest = await request("/live/places");
  } catch (error) {
    if (error.status === 410) window.location.reload();
    else if (error.status === 401) say("This address is no longer valid. Take the new one from the terminal.");
    else say("The preview has stopped. This page goes on as soon as it runs again.");
    lost = true;
    return;
  }
  if (lost) window.location.reload();
  say("");
  renderPlaces();
  renderFrame();
  follow();
}

async function begin() {
  while (!page()?.contextId) await new Promise((resolve) => setTimeout(resolve, 50));
  build();
  document.body.append(menu);
  await refresh();
  if (wanted && latest && wanted !== latest.here) await open(wanted, { remember: false });
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, POLL));
    await refresh();
  }
}

void begin();
