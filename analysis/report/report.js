"use strict";
{
  const unpacked = async (text) => {
    const bytes = Uint8Array.from(atob(text.trim()), (c) => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).blob();
  };
  // A link leads to the file beside the page; the page has it inside too, for whoever was sent only the page.
  for (const link of document.querySelectorAll(".files a[download]")) {
    const inside = document.querySelector(`script[data-file="${link.download}"]`);
    const picture = link.closest("section").querySelector("figure img");
    if (link.download.endsWith(".svg") && picture) link.href = picture.src;
    else if (inside) link.addEventListener("click", async (event) => {
      if (link.dataset.ready) return;
      event.preventDefault();
      link.href = URL.createObjectURL(await unpacked(inside.textContent));
      link.dataset.ready = "yes";
      link.click();
    });
  }

  // A page of its own is unpacked when somebody wants to read it.
  for (const frame of document.querySelectorAll("iframe[data-page]")) {
    frame.closest("details").addEventListener("toggle", async () => {
      const inside = document.querySelector(`script[data-file="${frame.dataset.page}"]`);
      if (!frame.srcdoc) frame.srcdoc = await (await unpacked(inside.textContent)).text();
    });
  }

  const contents = document.querySelector("nav details");
  if (matchMedia("(max-width: 70rem)").matches) {
    contents.open = false;
    contents.addEventListener("click", (event) => { if (event.target.closest("a")) contents.open = false; });
  }
  const here = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const link = document.querySelector(`nav a[href="#${target.id}"]`);
      if (link && isIntersecting) {
        for (const other of document.querySelectorAll("nav a[aria-current]")) other.removeAttribute("aria-current");
        link.setAttribute("aria-current", "true");
      }
    }
  }, { rootMargin: "0px 0px -70% 0px" });
  for (const section of document.querySelectorAll("section[id]")) here.observe(section);

  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("main details:not([open])")].filter((one) => !one.querySelector("table"));
    for (const one of closed) one.open = true;
    for (const picture of document.images) picture.loading = "eager";
  });
  addEventListener("afterprint", () => { for (const one of closed) one.open = false; });
}
{
  const data = document.getElementById("curves-data");
  if (data) drawCurves(JSON.parse(data.textContent), document.getElementById("curves-here"));
}
