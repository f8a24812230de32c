// @ts-check
export async function taskPage(element) { element.textContent = "soon"; }
