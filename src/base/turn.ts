/** Does something in the next turn of the event loop, without the milliseconds that a timer takes. */
export function nextTurn(act: () => void): void {
  if (typeof setImmediate === "function") {
    setImmediate(act);
    return;
  }
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    act();
  };
  port2.postMessage(null);
}
