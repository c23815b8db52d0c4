// Searching the site from a folder: browsers start no worker from a file, so the search runs in a
// hidden frame of the page instead. (Elsewhere nothing changes.)

class FrameWorker extends EventTarget {
  constructor(url) {
    super();
    this.waiting = [];
    const frame = document.createElement("iframe");
    frame.hidden = true;
    document.body.append(frame);
    this.inside = frame.contentWindow;
    this.inside.postMessage = (data) => this.answer(data);
    this.inside.importScripts = (...urls) => Promise.all(urls.map((each) => this.load(each)));
    this.load(url).then(() => {
      this.waiting.splice(0).forEach((data) => this.ask(data));
      this.waiting = null;
    });
  }

  load(url) {
    return new Promise((resolve, reject) => {
      const script = this.inside.document.createElement("script");
      script.src = new URL(url, document.baseURI);
      script.onload = resolve;
      script.onerror = reject;
      this.inside.document.body.append(script);
    });
  }

  ask(data) {
    this.inside.dispatchEvent(new this.inside.MessageEvent("message", { data }));
  }

  answer(data) {
    const event = new MessageEvent("message", { data });
    this.onmessage?.(event);
    this.dispatchEvent(event);
  }

  postMessage(data) {
    if (this.waiting) this.waiting.push(data);
    else this.ask(data);
  }

  terminate() {}
}

if (location.protocol === "file:") window.Worker = FrameWorker;
