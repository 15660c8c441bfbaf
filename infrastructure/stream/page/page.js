// The viewer's name and password stay in this page: they are sent for each guest token, which is good for five minutes.
"use strict";

const form = document.getElementById("login");
const reason = document.getElementById("reason");
const place = document.getElementById("dashboard");

async function guestToken(viewer, password) {
  const login = btoa(String.fromCharCode(...new TextEncoder().encode(`${viewer}:${password}`)));
  const answer = await fetch("/token", { method: "POST", headers: { Authorization: `Basic ${login}` } });
  if (!answer.ok) throw new Error((await answer.text()).trim() || `the server answers ${answer.status}`);
  return answer.json();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  reason.textContent = "";
  const { viewer, password } = Object.fromEntries(new FormData(form));
  try {
    const first = await guestToken(viewer, password);
    form.hidden = true;
    place.hidden = false;
    await supersetEmbeddedSdk.embedDashboard({
      id: first.dashboard,
      supersetDomain: location.origin,
      mountPoint: place,
      fetchGuestToken: async () => (await guestToken(viewer, password)).token,
    });
  } catch (error) {
    form.hidden = false;
    place.hidden = true;
    reason.textContent = error.message;
  }
});
