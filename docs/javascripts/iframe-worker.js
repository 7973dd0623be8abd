// Search in pages opened from the disk, where browsers allow no worker: an iframe does its work.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.waiting = [];
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.appendChild(this.frame);
      const inside = this.frame.contentWindow;
      const receive = data => {
        const event = new MessageEvent("message", { data });
        this.dispatchEvent(event);
        if (this.onmessage) this.onmessage(event);
      };
      inside.postMessage = data => setTimeout(receive, 0, data);
      inside.importScripts = (...urls) => Promise.all(urls.map(one => this.load(one)));
      this.load(url).then(() => {
        this.isReady = true;
        this.waiting.splice(0).forEach(data => this.send(data));
      });
    }

    load(url) {
      return new Promise((resolve, reject) => {
        const script = this.frame.contentDocument.createElement("script");
        script.src = url;
        script.onload = resolve;
        script.onerror = reject;
        this.frame.contentDocument.body.appendChild(script);
      });
    }

    send(data) {
      const inside = this.frame.contentWindow;
      inside.dispatchEvent(new inside.MessageEvent("message", { data }));
    }

    postMessage(data) {
      this.isReady ? setTimeout(() => this.send(data), 0) : this.waiting.push(data);
    }

    terminate() {
      this.frame.remove();
    }
  };
}
