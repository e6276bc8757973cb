"use strict";
// Classifying on the page: photos go to the server one by one, and each answer appears as soon as it is there. What is on
// the page is nowhere else.
(() => {
	const form = document.getElementById("form");
	if (!form) return;
	document.documentElement.classList.add("scripted");

	const byId = (id) => document.getElementById(id);
	const [results, work, progress, status, told, cancel, clear] = ["results", "work", "progress", "status", "told", "cancel", "clear"].map(byId);
	const texts = JSON.parse(byId("texts").textContent);
	const plural = new Intl.PluralRules(document.documentElement.lang);
	const AT_ONCE = 4; // Requests that are under way.
	const SHOWN = 5; // Labels that are shown at first.
	const MOST = 20; // Labels that are shown at all.
	const LARGEST = 64 * 2 ** 20; // Bytes of a photo that the server takes.
	const PATIENCE = 8; // How often a busy server is asked again.

	// text gives a text as the server's T and N do.
	function text(key, values = {}) {
		let found = texts[key];
		if (found && typeof found === "object") found = found[plural.select(values.Count)] || found.other;
		return (found === undefined ? key : found).replace(/\{\{\.(\w+)\}\}/g, (_, name) => values[name]);
	}

	// percent writes a share as the server's percent does: never 100 % or 0 % by rounding.
	function percent(share) {
		let written = (100 * share).toFixed(2);
		if (written === "100.00" && share < 1) written = ">\u00a099.99";
		if (written === "0.00" && share > 0) written = "<\u00a00.01";
		return written + "\u00a0%";
	}

	function label({ label, score }) {
		const item = byId("label").content.cloneNode(true);
		item.querySelector(".label").textContent = label;
		item.querySelector(".share").textContent = percent(score);
		item.querySelector(".fill").setAttribute("width", (100 * score).toFixed(2));
		return item;
	}

	// The photos, each with its place on the page.
	let items = [];
	let busy = 0;
	let frame = 0;
	let toldAt = 0;

	function add(files) {
		const fresh = document.createDocumentFragment();
		for (const file of files) {
			const place = byId("result").content.firstElementChild.cloneNode(true);
			const item = { file, place, state: "waiting", name: file.name || text("live.pasted"), stop: null };
			place.querySelector(".file").textContent = item.name;
			place.querySelector(".file").title = item.name;
			const image = document.createElement("img");
			image.alt = "";
			image.decoding = "async";
			image.loading = "lazy";
			image.onerror = () => { URL.revokeObjectURL(image.src); image.remove(); };
			image.src = URL.createObjectURL(file);
			place.querySelector(".photo").replaceChildren(image);
			place.querySelector(".again button").addEventListener("click", () => {
				item.place.querySelector(".file").tabIndex = -1;
				item.place.querySelector(".file").focus();
				wait(item);
				start();
			});
			items.push(item);
			fresh.append(place);
			wait(item);
		}
		results.prepend(fresh); // The newest come first.
		start();
	}

	function wait(item) {
		item.state = "waiting";
		item.place.className = "result waiting";
		item.place.querySelector(".problem").textContent = "";
		item.place.querySelector(".again").hidden = true;
	}

	function start() {
		const model = byId("model");
		for (const item of items) {
			if (busy >= AT_ONCE) break;
			if (item.state === "waiting") {
				busy++;
				classify(item, model ? model.value : "").finally(() => { busy--; start(); });
			}
		}
		show();
	}

	async function classify(item, model) {
		item.state = "sending";
		item.place.className = "result sending";
		item.stop = new AbortController();
		if (item.file.size > LARGEST) {
			failed(item, text("photo.too_large_file"), false);
			return;
		}
		try {
			answered(item, await ask(item, model));
		} catch (error) {
			if (item.stop.signal.aborted) failed(item, text("live.cancelled"), true);
			else if (error instanceof Refusal) failed(item, error.message, error.passing, error.detail);
			else failed(item, text("live.offline"), true);
		}
	}

	// A Refusal is an answer that is none. A passing one may be another when asked again.
	class Refusal extends Error {
		constructor(message, passing, detail) { super(message); this.passing = passing; this.detail = detail; }
	}

	async function ask(item, model) {
		const query = new URLSearchParams(model ? { top: MOST, model } : { top: MOST });
		for (let attempt = 1; ; attempt++) {
			const response = await fetch("/api/v1/classify?" + query, {
				method: "POST", body: item.file, signal: item.stop.signal, headers: { "Content-Type": "application/octet-stream" },
			});
			if (response.ok) return (await response.json())[0];
			if ((response.status === 429 || response.status === 503) && attempt < PATIENCE) {
				await pause(1000 * Math.min(30, Number(response.headers.get("Retry-After")) || attempt), item.stop.signal);
				continue;
			}
			const known = texts["problem.text." + response.status];
			const detail = known ? "" : (await response.json().catch(() => ({}))).error;
			throw new Refusal(known || text("photo.other"), response.status >= 429, detail);
		}
	}

	function pause(milliseconds, signal) {
		return new Promise((resolve, reject) => {
			if (signal.aborted) { // Of which no event tells any more.
				reject(signal.reason);
				return;
			}
			const timer = setTimeout(resolve, milliseconds);
			signal.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); });
		});
	}

	function answered(item, answer) {
		if (answer.error) {
			const known = texts["photo." + answer.reason];
			failed(item, known || text("photo.other"), false, known ? "" : item.name + " " + answer.error);
			return;
		}
		item.state = "done";
		item.best = answer.predictions[0];
		const { place } = item;
		place.className = "result" + (answer.unknown ? " unknown" : "");
		const [first, others] = place.querySelectorAll(".labels");
		first.replaceChildren(...answer.predictions.slice(0, SHOWN).map(label));
		const rest = answer.predictions.slice(SHOWN);
		const more = place.querySelector(".more");
		more.hidden = rest.length === 0;
		more.querySelector("summary").textContent = text("live.others", { Count: rest.length });
		others.replaceChildren(...rest.map(label));
	}

	// failed says why there is no answer; what only the server knows of it is in English.
	function failed(item, why, again, detail = "") {
		item.state = "failed";
		item.place.className = "result failed";
		const problem = item.place.querySelector(".problem");
		problem.textContent = why;
		if (detail) {
			const quoted = document.createElement("span");
			quoted.lang = "en";
			quoted.className = "detail";
			quoted.textContent = detail;
			problem.append(quoted);
		}
		item.place.querySelector(".again").hidden = !again;
	}

	// show tells how far it is, once a frame at most.
	function show() {
		if (!frame) frame = requestAnimationFrame(() => { frame = 0; showNow(); });
	}

	function showNow() {
		const count = (state) => items.filter((item) => item.state === state).length;
		const done = count("done"), lost = count("failed"), left = items.length - done - lost;
		work.hidden = items.length === 0;
		form.classList.toggle("compact", items.length > 0);
		progress.hidden = left === 0;
		progress.max = items.length || 1;
		progress.value = done + lost;
		cancel.hidden = left === 0;
		clear.hidden = items.length === 0 || left > 0;
		let said;
		if (left > 0) {
			said = text("live.progress", { Done: done + lost, Count: items.length });
		} else if (items.length === 1 && done === 1) {
			said = text("live.answer", { File: items[0].name, Label: items[0].best.label, Share: percent(items[0].best.score) });
		} else {
			said = [done > 0 && text("live.done", { Count: done }), lost > 0 && text("live.failed", { Count: lost })].filter(Boolean).join(text("live.space"));
		}
		if (status.textContent !== said) status.textContent = said;
		// Screen readers are not told of each photo of a hundred.
		if (left === 0 || Date.now() - toldAt > 5000) {
			toldAt = Date.now();
			if (told.textContent !== said) told.textContent = said;
		}
	}

	cancel.addEventListener("click", () => {
		for (const item of items) {
			if (item.state === "waiting") failed(item, text("live.cancelled"), true);
			if (item.state === "sending") item.stop.abort();
		}
		byId("file").focus();
		show();
	});

	clear.addEventListener("click", () => {
		for (const { place } of items) {
			const image = place.querySelector("img");
			if (image) URL.revokeObjectURL(image.src);
		}
		items = [];
		results.replaceChildren();
		byId("file").focus();
		show();
	});

	for (const input of [byId("file"), byId("camera")]) {
		input.addEventListener("change", () => {
			if (input.files.length > 0) add([...input.files]);
			input.value = ""; // So that the same photo can be chosen again.
		});
	}
	form.addEventListener("submit", (event) => event.preventDefault());

	document.addEventListener("paste", (event) => {
		const files = [...event.clipboardData.files];
		if (files.length > 0) {
			event.preventDefault();
			add(files);
		}
	});

	// Photos may be dropped anywhere; a file that misses a small target would else leave the page.
	let inside = 0;
	const over = (on) => form.classList.toggle("over", on);
	const carriesFiles = (event) => [...event.dataTransfer.types].includes("Files");
	document.addEventListener("dragenter", (event) => { if (carriesFiles(event)) { inside++; over(true); } });
	document.addEventListener("dragleave", (event) => { if (carriesFiles(event) && --inside <= 0) { inside = 0; over(false); } });
	document.addEventListener("dragover", (event) => { if (carriesFiles(event)) event.preventDefault(); });
	document.addEventListener("drop", async (event) => {
		if (!carriesFiles(event)) return;
		event.preventDefault();
		inside = 0;
		over(false);
		const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry());
		const files = [...event.dataTransfer.files];
		if (!entries.some((entry) => entry && entry.isDirectory)) {
			add(files);
			return;
		}
		const found = [];
		for (const entry of entries) if (entry) await walk(entry, found);
		add(found);
	});

	// walk collects the photos in a folder that was dropped, by their names' endings; a file that was named is taken as it is.
	async function walk(entry, found, below = false) {
		if (entry.isFile) {
			const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
			if (file && (!below || /\.(jpe?g|jpe|jfif|png|gif|webp|bmp|tiff?)$/i.test(file.name))) found.push(file);
			return;
		}
		const reader = entry.createReader();
		for (;;) { // A folder is told in parts.
			const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
			if (some.length === 0) return;
			for (const inner of some) if (!inner.name.startsWith(".")) await walk(inner, found, true);
		}
	}
})();
