// Talks to the API: asks with an event stream, falls back to JSON, sends feedback. Knows nothing of the page.
"use strict";

window.Chat = (() => {
  const SILENCE = 30_000; // milliseconds without a byte, after which nobody waits any longer

  class Problem extends Error {
    constructor(code, message, retryAfter = 0) {
      super(message);
      this.code = code;
      this.retryAfter = retryAfter;
    }
  }

  const OFFLINE = "The connection failed. Check your network, then try again.";
  const STRANGE = "The answer could not be read. Try again in a moment.";

  function token() {
    const cookie = /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie);
    return cookie ? cookie[1] : document.querySelector("[name=csrfmiddlewaretoken]").value;
  }

  async function post(address, body, accept, signal) {
    const headers = { "Content-Type": "application/json", "X-CSRFToken": token(), Accept: accept };
    const options = { method: "POST", headers, body: JSON.stringify(body), credentials: "same-origin", signal };
    try {
      return await fetch(address, options);
    } catch (error) {
      throw signal?.aborted ? error : new Problem("offline", OFFLINE);
    }
  }

  async function refusal(response) {
    const retryAfter = Number.parseInt(response.headers.get("Retry-After") ?? "0", 10) || 0;
    try {
      const { error } = await response.json();
      return new Problem(error.code, error.message, retryAfter);
    } catch {
      return new Problem("unavailable", "The service cannot answer right now. Try again in a moment.", retryAfter);
    }
  }

  async function accepted(address, body, accept, signal) {
    let response = await post(address, body, accept, signal);
    if (response.status === 403) {
      // The cookie was deleted or has expired: a GET of the same address gives a new one.
      await fetch(address, { credentials: "same-origin", signal }).catch(() => {});
      response = await post(address, body, accept, signal);
    }
    if (!response.ok) throw await refusal(response);
    return response;
  }

  /** Whole events out of a text that comes in pieces. */
  function* eventsOf(buffer) {
    for (let end; (end = buffer.text.indexOf("\n\n")) >= 0; ) {
      const lines = buffer.text.slice(0, end).split("\n");
      buffer.text = buffer.text.slice(end + 2);
      const field = (name) => lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2));
      if (field("data").length) yield { name: field("event")[0] ?? "message", data: JSON.parse(field("data").join("\n")) };
    }
  }

  /** The answer at the end of a stream, or null when it broke off before that. */
  async function followed(response, { onDelta, alive }) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const buffer = { text: "" };
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return null;
        alive();
        buffer.text += value;
        for (const event of eventsOf(buffer)) {
          if (event.name === "delta") onDelta(event.data.text);
          if (event.name === "done") return event.data;
          if (event.name === "error") throw new Problem(event.data.error.code, event.data.error.message);
        }
      }
    } finally {
      reader.cancel().catch(() => {});
    }
  }

  async function streamed(address, body, options) {
    const canStream = "TextDecoderStream" in window && "body" in Response.prototype;
    const accept = canStream ? "text/event-stream, application/json;q=0.9" : "application/json";
    const response = await accepted(address, body, accept, options.signal);
    if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) return response.json();
    try {
      return await followed(response, options);
    } catch (error) {
      if (error instanceof Problem || options.signal.aborted) throw error;
      return null;
    }
  }

  /** The answer as in the contract, its text told to onDelta as it comes. Throws a Problem. */
  async function ask(address, body, { onDelta, signal }) {
    const silence = new AbortController();
    let timer;
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE);
    };
    const leave = () => silence.abort();
    signal.addEventListener("abort", leave);
    alive();
    try {
      const options = { onDelta, alive, signal: silence.signal };
      const answer = await streamed(address, body, options);
      return answer ?? (await (await accepted(address, body, "application/json", silence.signal)).json());
    } catch (error) {
      if (signal.aborted) throw new Problem("stopped", "Stopped.");
      if (error instanceof Problem) throw error;
      throw silence.signal.aborted ? new Problem("offline", OFFLINE) : new Problem("strange", STRANGE);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", leave);
    }
  }

  async function vote(address, body) {
    return (await accepted(address, body, "application/json")).json();
  }

  return { Problem, ask, vote };
})();
