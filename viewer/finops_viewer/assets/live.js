// Follows the server's states: patches the page when there is a new publication, says what is going on.
// One tab holds the stream and shares it, since a browser opens only six connections to a host.
"use strict";

finops.live = (() => {
  const LOCK = "finops-live";
  const WORDS = { fresh: "Live", stale: "Change noticed", building: "Updating", failed: "Update failed", gone: "Server gone" };
  let channel = null;
  let latest = null;
  let updating = false;

  const element = (id) => document.getElementById(id);

  function ago(time) {
    const seconds = Math.max(0, Math.round((Date.now() - time) / 1000));
    if (seconds < 90) return `${seconds} s ago`;
    const minutes = Math.round(seconds / 60);
    return minutes < 90 ? `${minutes} min ago` : minutes < 2880 ? `${Math.round(minutes / 60)} h ago` : `${Math.round(minutes / 1440)} days ago`;
  }

  function tick() {
    const built = element("built");
    if (built) built.textContent = ago(Date.parse(built.dateTime));
  }

  function describe(state) {
    const live = element("live");
    live.hidden = false;
    live.className = `live ${state.phase}`;
    live.textContent = WORDS[state.phase];
    element("busy").hidden = state.phase !== "building";
    const notice = element("notice");
    notice.hidden = !["failed", "gone"].includes(state.phase);
    notice.textContent =
      state.phase === "gone"
        ? "The server does not answer. What you see is what it showed last; the page will follow again by itself."
        : [state.message, state.hint].filter(Boolean).join("\n");
  }

  async function update() {
    if (updating) return;
    updating = true;
    try {
      while (latest.run_id && latest.run_id !== finops.page.data().run_id) {
        const wanted = latest.run_id;
        const answer = await fetch(location.pathname, { cache: "no-store" });
        if (answer.status === 404) {
          element("notice").hidden = false;
          element("notice").textContent = "This report is not published any more.";
          return;
        }
        finops.page.update(new DOMParser().parseFromString(await answer.text(), "text/html"));
        tick();
        const sentence = document.querySelector("main .answer")?.textContent || "";
        element("announcement").textContent = `Updated. ${sentence}`;
        if (wanted === latest.run_id) return; // whatever came, the next state brings what is newer
      }
    } catch {
      // The server went away meanwhile; its stream tells.
    } finally {
      updating = false;
    }
  }

  function receive(state) {
    latest = state;
    describe(state);
    update();
  }

  function hold() {
    const stream = new EventSource("events");
    const share = (state) => {
      receive(state);
      channel?.postMessage(state);
    };
    stream.addEventListener("state", (event) => share(JSON.parse(event.data)));
    stream.addEventListener("error", () => share({ ...(latest || { run_id: "" }), phase: "gone" }));
    if (channel) {
      channel.onmessage = ({ data }) => {
        if (data === "ask" && latest) channel.postMessage(latest);
      };
    }
  }

  function start() {
    if (document.documentElement.dataset.live !== "yes") return;
    tick();
    setInterval(tick, 1000);
    if (!navigator.locks) {
      hold(); // plain http on another name than localhost: a stream a tab
      return;
    }
    channel = new BroadcastChannel(LOCK);
    channel.onmessage = ({ data }) => {
      if (data !== "ask") receive(data);
    };
    channel.postMessage("ask");
    navigator.locks.request(LOCK, () => {
      hold();
      return new Promise(() => {}); // until the tab closes
    });
  }

  return { start };
})();
