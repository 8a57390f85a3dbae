// The API's documentation: Swagger UI, from this site's own files.

const place = document.querySelector("#swagger-ui");
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function followTheme() {
  document.documentElement.classList.toggle("dark-mode", dark.matches);
}

followTheme();
dark.addEventListener("change", followTheme);

// Swagger makes a link of each path and puts it into the button that opens the operation: one thing to press
// inside another, which no screen reader can tell apart. The button alone does both.
const pathsAsText = () => ({ wrapComponents: { DeepLink: () => ({ text }) => text } });

// The fields of parameters stand beside their names, and what lies beside is no label; code that scrolls has to
// be reached by the keyboard.
function nameFields() {
  for (const field of place.querySelectorAll("tr[data-param-name] :is(select, input, textarea):not([aria-label])")) {
    field.setAttribute("aria-label", field.closest("tr").dataset.paramName);
  }
  for (const field of place.querySelectorAll("select:not([aria-label]):not([id])")) {
    field.setAttribute("aria-label", "Media type");
  }
  for (const code of place.querySelectorAll("pre.microlight:not([tabindex])")) code.tabIndex = 0;
}

new MutationObserver(nameFields).observe(place, { childList: true, subtree: true });

SwaggerUIBundle({
  url: place.dataset.schema,
  domNode: place,
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [pathsAsText],
  layout: "BaseLayout",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  syntaxHighlight: { activated: false }, // its colours are too faint to read
  requestInterceptor: (request) => {
    // Whoever is signed in here may try an operation out; the site asks for this token then.
    const ours = new URL(request.url, window.location.href).origin === window.location.origin;
    if (ours && request.method && request.method !== "GET") request.headers["X-CSRFToken"] = place.dataset.csrf;
    return request;
  },
});
