"use strict";
// Training on the page: uploads with progress, a training that is followed, and what came of it. The lists are taken out of
// the page itself, which is asked for anew.
(() => {
	document.documentElement.classList.add("scripted");

	const byId = (id) => document.getElementById(id);
	const language = document.documentElement.lang;
	const texts = JSON.parse(byId("texts").textContent);
	const plural = new Intl.PluralRules(language);
	const number = new Intl.NumberFormat(language);
	const AT_ONCE = { photos: 200, bytes: 100e6 }; // Of one request; the server takes more.
	const AGAIN = 3000; // Milliseconds.
	const SVG = "http://www.w3.org/2000/svg";

	// text gives a text as the server's T and N do. A count is written with separators.
	function text(key, values = {}) {
		let found = texts[key];
		if (found && typeof found === "object") found = found[plural.select(values.Count)] || found.other;
		return (found === undefined ? key : found).replace(/\{\{\.(\w+)\}\}/g, (_, name) => typeof values[name] === "number" ? number.format(values[name]) : values[name]);
	}

	// percent writes a share as the server's percent does: never 100 % or 0 % by rounding.
	function percent(share) {
		let written = (100 * share).toFixed(2);
		if (written === "100.00" && share < 1) written = ">\u00a099.99";
		if (written === "0.00" && share > 0) written = "<\u00a00.01";
		return written + "\u00a0%";
	}

	function element(name, attributes = {}, ...children) {
		const made = document.createElementNS(SVG, name);
		for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
		made.append(...children);
		return made;
	}

	// quote gives what only the server knows, which it says in English.
	function quote(detail) {
		const quoted = document.createElement("span");
		quoted.lang = "en";
		quoted.className = "detail";
		quoted.textContent = detail;
		return quoted;
	}

	// complain shows what went wrong, in the visitor's language, and what the server says, in English.
	function complain(sentence, detail = "") {
		const notice = byId("notice");
		notice.hidden = !sentence;
		notice.textContent = sentence;
		if (!detail || detail === sentence) return;
		notice.append(quote(detail));
		notice.scrollIntoView({ block: "nearest" });
	}

	// call asks the API. What it refuses is told, and gives null.
	async function call(method, path, body) {
		complain("");
		try {
			const response = await fetch("/api/v1/" + path, { method, body: body && JSON.stringify(body), headers: body ? { "Content-Type": "application/json" } : {} });
			if (response.ok) return response.status === 204 ? {} : await response.json();
			const said = await response.json().catch(() => ({}));
			complain(text("work.refused"), said.error || response.statusText);
		} catch {
			complain(text("live.offline"));
		}
		return null;
	}

	// refresh takes the lists out of the page as it is now.
	async function refresh() {
		try {
			const response = await fetch(location.href);
			if (!response.ok) return;
			const now = new DOMParser().parseFromString(await response.text(), "text/html");
			for (const id of ["datasets", "runs"]) byId(id).replaceWith(document.adoptNode(now.getElementById(id)));
			choices();
			times();
		} catch { /* The lists stay as they were. */ }
	}

	// times writes the times as the visitor's clock has them.
	function times() {
		const local = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
		for (const time of document.querySelectorAll("#runs time")) time.textContent = local.format(new Date(time.dateTime));
	}

	// choices fills the list of datasets to train with.
	function choices(preferred) {
		const select = byId("dataset");
		if (!select) return;
		const names = [...document.querySelectorAll("tr[data-dataset]")].map((row) => row.dataset.dataset);
		const chosen = preferred || select.value;
		select.replaceChildren(...names.map((name) => new Option(name, name, false, name === chosen)));
		byId("begin").disabled = names.length === 0;
		if (byId("into") && !byId("into").value) byId("into").value = select.value;
	}

	// The list of models and runs is replaced, so what is clicked is looked for where it happens.
	document.addEventListener("click", async (event) => {
		const button = event.target.closest("[data-run], [data-rollback]");
		if (!button) return;
		button.disabled = true;
		const { run, rollback } = button.dataset;
		const entry = run && byId("as-" + run);
		if (entry && !entry.reportValidity()) {
			button.disabled = false;
			return;
		}
		const model = rollback || entry.value;
		const done = run
			? await call("POST", "models/" + encodeURIComponent(model) + "/activate", { run })
			: await call("POST", "models/" + encodeURIComponent(model) + "/rollback");
		button.disabled = false;
		if (!done) return;
		await refresh();
		byId("runs-title").tabIndex = -1;
		byId("runs-title").focus();
	});

	// Uploads
	let sending = null;

	// send posts a body and tells how much of it is out. It gives the status and the answer.
	function send(path, body, type, tell) {
		return new Promise((resolve, reject) => {
			const request = new XMLHttpRequest(); // fetch does not tell how much is out.
			request.open("POST", "/api/v1/" + path);
			if (type) request.setRequestHeader("Content-Type", type);
			request.responseType = "json";
			request.upload.addEventListener("progress", (event) => tell(event.loaded));
			request.addEventListener("load", () => resolve({ ok: request.status < 300, status: request.status, answer: request.response || {} }));
			request.addEventListener("error", () => reject(new Error(text("live.offline"))));
			request.addEventListener("abort", () => reject(null));
			sending = request;
			request.send(body);
		});
	}

	function portions(files) {
		const all = [[]];
		let bytes = 0;
		for (const file of files) {
			if (all.at(-1).length > 0 && (all.at(-1).length >= AT_ONCE.photos || bytes + file.size > AT_ONCE.bytes)) {
				all.push([]);
				bytes = 0;
			}
			all.at(-1).push(file);
			bytes += file.size;
		}
		return all;
	}

	async function upload(form, work) {
		if (sending) return;
		const into = byId("into");
		if (!into.reportValidity()) return;
		complain("");
		const [area, bar, status, refused] = ["sending", "sent", "sending-status", "refused"].map(byId);
		area.hidden = false;
		bar.hidden = false;
		byId("sending-cancel").hidden = false;
		refused.hidden = true;
		refused.replaceChildren();
		const buttons = document.querySelectorAll("#upload form button");
		for (const button of buttons) button.disabled = true;
		const told = (done, total) => {
			if (done < total) {
				bar.value = done / total;
				status.textContent = text("work.sending", { Done: (done / 1e6).toFixed(1), Total: (total / 1e6).toFixed(1) });
			} else {
				bar.removeAttribute("value");
				status.textContent = text("work.sorting");
			}
		};
		try {
			status.textContent = await work("datasets/" + encodeURIComponent(into.value), told, (file, reason, detail) => {
				refused.hidden = false;
				if (refused.childElementCount >= 100) return;
				const item = document.createElement("li");
				const known = texts["photo." + reason];
				item.textContent = file + " – " + (known || text("photo.other"));
				if (!known && detail) item.append(quote(detail));
				refused.append(item);
			});
			form.reset();
		} catch (error) {
			status.textContent = error ? "" : text("work.upload.cancelled");
			if (error) complain(error.message, error.detail);
		}
		byId("upload-told").textContent = status.textContent;
		sending = null;
		bar.hidden = true;
		byId("sending-cancel").hidden = true;
		for (const button of buttons) button.disabled = false;
		await refresh();
		choices(into.value);
	}

	function refusal({ answer, status }) {
		const error = new Error(text("work.refused"));
		error.detail = answer.error || String(status);
		return error;
	}

	byId("photos")?.addEventListener("submit", (event) => {
		event.preventDefault();
		const label = byId("label").value;
		const files = [...byId("files").files];
		upload(event.target, async (place, told, refuse) => {
			const total = files.reduce((sum, file) => sum + file.size, 0);
			let before = 0, added = 0, rejected = 0;
			for (const some of portions(files)) {
				const body = new FormData();
				for (const file of some) body.append("file", file);
				const size = some.reduce((sum, file) => sum + file.size, 0);
				const result = await send(place + "/photos?" + new URLSearchParams({ label }), body, "", (out) => told(before + Math.min(out, size), total));
				if (!result.ok) throw refusal(result);
				before += size;
				added += result.answer.added;
				rejected += result.answer.refused;
				for (const photo of result.answer.photos) if (photo.error) refuse(photo.file, photo.reason, photo.error);
			}
			return outcome(added, rejected);
		});
	});

	byId("archive")?.addEventListener("submit", (event) => {
		event.preventDefault();
		const file = byId("tar").files[0];
		upload(event.target, async (place, told, refuse) => {
			const result = await send(place + "/archive", file, "application/octet-stream", (out) => told(out, file.size));
			if (!result.ok) throw refusal(result);
			const { added, duplicates, unlabelled, reasons, refused } = result.answer;
			for (const skip of refused || []) refuse(skip.path, skip.reason, skip.detail);
			return outcome(added, duplicates + unlabelled + Object.values(reasons || {}).reduce((a, b) => a + b, 0));
		});
	});

	function outcome(added, refused) {
		return text("work.added", { Count: added }) + (refused ? text("work.space") + text("work.left_out", { Count: refused }) : "");
	}

	byId("sending-cancel")?.addEventListener("click", () => sending?.abort());

	// Charts

	// A Chart draws two curves against the steps; the pointer and the arrow keys tell values.
	class Chart {
		constructor(figure, { title, format, top }) {
			this.format = format;
			this.top = top; // The upper end of the axis; 0 fits it to the values.
			this.keys = [];
			this.points = [];
			this.steps = 0;
			this.at = -1; // The point that is looked at; -1 is the newest.
			figure.append(byId("chart").content.cloneNode(true));
			figure.querySelector(".caption").textContent = title;
			this.plot = figure.querySelector(".plot");
			this.plot.setAttribute("aria-label", title);
			this.reading = figure.querySelector(".reading");
			this.axes = element("g", { class: "axes" });
			this.cursor = element("path", { class: "cursor" });
			this.curves = ["train", "validation"].map((kind) => ({
				kind,
				line: element("path", { class: "line " + kind }),
				dot: element("circle", { class: "dot " + kind, r: 4 }),
				name: element("text", { class: "name " + kind }, text("work.series." + kind)),
			}));
			this.svg = element("svg", { "aria-hidden": "true" }, this.axes, this.cursor,
				...this.curves.flatMap(({ line, dot, name }) => [line, dot, name]));
			this.plot.append(this.svg);
			new ResizeObserver(() => this.later()).observe(this.plot);
			this.plot.addEventListener("pointermove", (event) => this.point(event));
			this.plot.addEventListener("pointerdown", (event) => this.point(event));
			this.plot.addEventListener("pointerleave", () => { if (document.activeElement !== this.plot) this.look(-1); });
			this.plot.addEventListener("blur", () => this.look(-1));
			this.plot.addEventListener("keydown", (event) => this.key(event));
		}

		// set shows points with the values of two keys, up to a number of steps.
		set(points, keys, steps) {
			this.points = points;
			this.keys = keys;
			this.steps = steps;
			if (this.at >= points.length) this.at = -1;
			this.later();
		}

		later() {
			this.waiting ||= requestAnimationFrame(() => { this.waiting = 0; this.draw(); });
		}

		look(at) {
			if (this.at === at) return;
			this.at = at;
			this.later();
		}

		point(event) {
			if (this.points.length === 0 || !this.x) return;
			const step = this.step(event.clientX - this.plot.getBoundingClientRect().left);
			let low = 0, high = this.points.length - 1;
			while (low < high) {
				const middle = (low + high) >> 1;
				if (this.points[middle].step < step) low = middle + 1; else high = middle;
			}
			if (low > 0 && step - this.points[low - 1].step < this.points[low].step - step) low--;
			this.look(low);
		}

		key(event) {
			const last = this.points.length - 1, page = Math.max(1, Math.round(last / 10)), at = this.at < 0 ? last : this.at;
			const to = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, PageDown: at - page, PageUp: at + page, Home: 0, End: last }[event.key];
			if (to === undefined || last < 0) return;
			event.preventDefault();
			this.look(Math.max(0, Math.min(last, to)));
		}

		draw() {
			const width = this.plot.clientWidth, height = this.plot.clientHeight;
			if (!width || !height) return;
			const left = 52, above = 10, below = 26;
			const right = 20 + Math.max(...this.curves.map(({ name }) => name.getComputedTextLength()));
			this.svg.setAttribute("viewBox", "0 0 " + width + " " + height);
			const last = this.points.at(-1);
			const span = Math.max(this.steps, last ? last.step : 0, 1);
			let most = this.top;
			if (!most) {
				for (const point of this.points) for (const key of this.keys) if (point[key] > most) most = point[key];
				most = nice(most || 1);
			}
			this.x = (step) => left + (width - left - right) * step / span;
			this.step = (x) => (x - left) / (width - left - right) * span;
			const y = (value) => above + (height - above - below) * (1 - Math.min(value, most) / most);
			this.scale(width, height, span, most, left, right, y);
			this.plot.setAttribute("aria-valuemax", last ? last.step : 0);
			const at = this.at < 0 ? this.points.length - 1 : this.at;
			const shown = this.points[at];
			this.cursor.setAttribute("d", shown && this.at >= 0 ? "M" + this.x(shown.step) + " " + above + "V" + (height - below) : "");
			const ends = [];
			this.curves.forEach((curve, i) => {
				const key = this.keys[i];
				const known = this.points.filter((point) => point[key] !== undefined);
				curve.line.setAttribute("d", path(known, key, this.x, y, width));
				const end = known.at(-1);
				for (const part of [curve.dot, curve.name]) part.setAttribute("visibility", end ? "visible" : "hidden");
				if (!end) return;
				const marked = this.at >= 0 && shown[key] !== undefined ? shown : end;
				curve.dot.setAttribute("cx", this.x(marked.step));
				curve.dot.setAttribute("cy", y(marked[key]));
				ends.push({ name: curve.name, x: this.x(end.step) + 9, y: y(end[key]) + 4 });
			});
			if (ends.length === 2) apart(ends, above + 8, height - below);
			for (const end of ends) {
				end.name.setAttribute("x", end.x);
				end.name.setAttribute("y", end.y);
			}
			const said = shown ? this.say(shown) : "";
			if (this.said !== said) {
				this.said = said;
				this.reading.textContent = said;
				this.plot.setAttribute("aria-valuenow", shown ? shown.step : 0);
				this.plot.setAttribute("aria-valuetext", said);
			}
		}

		say(point) {
			return [text("work.step", { Step: point.step }), ...this.curves.map(({ kind }, i) => {
				const value = point[this.keys[i]];
				return value === undefined ? "" : text("work.series." + kind) + " " + this.format(value);
			})].filter(Boolean).join(text("work.between"));
		}

		// scale draws the axes, if they are not as they were.
		scale(width, height, span, most, left, right, y) {
			const key = [width, height, span, most, right].join();
			if (this.scaled === key) return;
			this.scaled = key;
			const marks = [];
			for (let i = 0; i <= 4; i++) {
				const value = most * i / 4;
				marks.push(element("path", { d: "M" + left + " " + y(value) + "H" + (width - right) }),
					element("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, this.top ? (100 * value).toFixed(0) + " %" : String(+value.toFixed(4))));
			}
			const stride = niceStep(span / Math.max(2, Math.min(6, (width - left - right) / 70)));
			for (let step = 0; step <= span; step += stride) {
				marks.push(element("text", { x: this.x(step), y: height - 6, "text-anchor": "middle" }, number.format(step)));
			}
			this.axes.replaceChildren(...marks);
		}
	}

	// path draws points as a line: in each column of pixels, the highest and the lowest.
	function path(points, key, x, y, width) {
		const parts = [];
		const put = (point) => parts.push((parts.length ? "L" : "M") + x(point.step).toFixed(1) + " " + y(point[key]).toFixed(1));
		if (points.length <= 2 * width) {
			points.forEach(put);
			return parts.join("");
		}
		let column = null, first = 0;
		const flush = (end) => {
			let low = first, high = first;
			for (let i = first; i < end; i++) {
				if (points[i][key] < points[low][key]) low = i;
				if (points[i][key] > points[high][key]) high = i;
			}
			for (const i of [...new Set([first, low, high, end - 1])].sort((a, b) => a - b)) put(points[i]);
		};
		points.forEach((point, i) => {
			const here = Math.floor(x(point.step));
			if (here !== column && column !== null) {
				flush(i);
				first = i;
			}
			column = here;
		});
		flush(points.length);
		return parts.join("");
	}

	// apart moves two names out of each other's way.
	function apart(ends, least, most) {
		const [upper, lower] = ends[0].y <= ends[1].y ? ends : [ends[1], ends[0]];
		const gap = 17 - (lower.y - upper.y);
		if (gap <= 0 || Math.abs(upper.x - lower.x) > 80) return;
		upper.y -= gap / 2;
		lower.y += gap / 2;
		const shift = Math.max(0, least - upper.y) - Math.max(0, lower.y - most);
		upper.y += shift;
		lower.y += shift;
	}

	// niceStep gives the next of 1, 2, 5, 10, 20 ...
	function niceStep(value) {
		const power = 10 ** Math.floor(Math.log10(value));
		return Math.max(1, [1, 2, 5, 10].find((factor) => factor * power >= value - 1e-9) * power);
	}

	// nice gives an upper end whose quarters are short numbers.
	function nice(value) {
		const power = 10 ** Math.floor(Math.log10(value));
		return [1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10].find((factor) => factor * power >= value) * power;
	}

	times();

	// The training
	const area = byId("training");
	if (!area) {
		choices();
		return;
	}
	const accuracy = new Chart(byId("accuracy"), { title: text("work.accuracy"), format: percent, top: 1 });
	const entropy = new Chart(byId("entropy"), { title: text("work.entropy"), format: (value) => value.toFixed(4), top: 0 });
	let run = "", points = [], events = null;

	function show(state) {
		const running = state.state === "running";
		byId("begin").disabled = running || byId("dataset").options.length === 0;
		area.hidden = state.state === "idle";
		if (area.hidden) return;
		if (state.run !== run) {
			run = state.run;
			points = [];
		}
		points.push(...(state.points || []));
		const steps = state.settings ? state.settings.how_many_training_steps : 0;
		accuracy.set(points, ["train_accuracy", "validation_accuracy"], running ? steps : 0);
		entropy.set(points, ["train_cross_entropy", "validation_cross_entropy"], running ? steps : 0);

		byId("stop").hidden = !running || state.phase !== "training" || state.stopping || state.cancelling;
		byId("cancel").hidden = !running || state.cancelling;
		const bar = byId("phase-progress");
		bar.hidden = !running;
		if (state.total > 0) {
			bar.max = state.total;
			bar.value = state.done;
		} else {
			bar.removeAttribute("value");
		}
		const phase = running ? saidOf(state) : text("work.state." + state.state);
		if (byId("phase").textContent !== phase) byId("phase").textContent = phase;
		tell(running ? text("work.name." + (state.total > 0 || state.phase === "writing" ? state.phase : "starting")) : phase);
		const verdict = byId("verdict");
		verdict.hidden = state.state !== "done";
		if (state.state === "done") {
			verdict.textContent = state.test
				? text("work.verdict", { Accuracy: percent(state.test.accuracy), Low: percent(state.test.low), High: percent(state.test.high), Count: state.test.count })
				: text("work.untested");
		}
		if (state.state === "failed") complain(text("work.state.failed"), state.error);
	}

	// tell has a new phase read out.
	function tell(said) {
		if (byId("told").textContent !== said) byId("told").textContent = said;
	}

	function saidOf(state) {
		if (state.cancelling) return text("work.cancelling");
		if (state.stopping) return text("work.stopping");
		const said = text("work.phase." + state.phase, { Done: state.done, Total: state.total });
		if (state.total === 0 && state.phase !== "starting" && state.phase !== "writing") return text("work.phase.starting");
		return state.seconds_left === null ? said : said + text("work.space") + left(state.seconds_left);
	}

	function left(seconds) {
		if (seconds < 90) return text("work.left.seconds", { Count: Math.max(1, Math.round(seconds)) });
		return text("work.left.minutes", { Count: Math.round(seconds / 60) });
	}

	function follow() {
		if (events) events.close();
		events = new EventSource("/api/v1/trainings/current/events");
		events.addEventListener("progress", (event) => show(JSON.parse(event.data)));
		for (const end of ["done", "failed", "cancelled"]) {
			events.addEventListener(end, (event) => {
				events.close();
				show(JSON.parse(event.data));
				refresh();
			});
		}
		events.addEventListener("error", (event) => {
			byId("phase").textContent = text("work.reconnecting");
			if (event.target.readyState === EventSource.CLOSED) lookAgain(); // The server, or a proxy, refused it.
		});
	}

	// lookAgain asks for the training until it hears, and follows it.
	async function lookAgain() {
		await new Promise((resolve) => setTimeout(resolve, AGAIN));
		const state = await current();
		if (!state) return lookAgain();
		const lost = state.state === "idle" && run !== "";
		run = ""; // All points come again.
		show(state);
		if (lost) complain(text("work.lost"));
		if (state.state !== "idle") follow(); // Also one that has ended: its points come again.
		else refresh();
	}

	// current asks how the training stands.
	async function current() {
		const response = await fetch("/api/v1/trainings/current").catch(() => null);
		return response?.ok ? response.json().catch(() => null) : null;
	}

	const augmentations = {
		none: {},
		flip: { flip_left_right: true },
		light: { flip_left_right: true, random_crop: 10, random_brightness: 10 },
	};

	byId("start").addEventListener("submit", async (event) => {
		event.preventDefault();
		const settings = Object.fromEntries(new FormData(event.target));
		settings.how_many_training_steps = Number(settings.how_many_training_steps);
		byId("begin").disabled = true;
		let begun = await call("POST", "trainings", { ...settings, ...augmentations[byId("views").value] });
		byId("begin").disabled = false;
		if (!begun) { // The answer was lost, or another is at work.
			begun = await current();
			if (begun?.state !== "running") return;
		}
		run = "";
		show(begun);
		byId("training-title").focus();
		follow();
	});
	// The events tell what comes of these; an answer could come after the last.
	byId("stop").addEventListener("click", () => call("POST", "trainings/current/stop"));
	byId("cancel").addEventListener("click", () => call("DELETE", "trainings/current"));

	choices();
	call("GET", "trainings/current").then((state) => {
		if (!state) lookAgain();
		else if (state.state !== "idle") follow();
	});
})();
