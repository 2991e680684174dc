"""PyPI anchorbrowser: applications, their authentication flows, and identities."""

import unittest

import anchorbrowser
import httpx
from support.server import API_KEY, GENERATION, SERVER_URL, Suite, message, plain, unique


@unittest.skipIf(GENERATION < 1, "the older SDK names them otherwise, and sends the same")
class Identities(Suite):
    def setUp(self):
        super().setUp()
        self.identities, self.applications = self.sdk.client.identities, self.sdk.client.applications

    def test_an_identity_is_kept_with_its_credentials(self):
        credentials = [
            {"type": "username_password", "username": "ada", "password": "anchors-aweigh"},
            {"type": "authenticator", "secret": "JBSWY3DPEHPK3PXP"},
        ]
        name = unique("identity")
        made = self.identities.create_identity(
            source="https://identities.test/login",
            name=name,
            credentials=credentials,
            metadata={"department": "Engineering"},
        )
        self.assertEqual((made.name, made.status), (name, "pending"))
        identity = str(made.id)
        self.assertNotIn("anchors-aweigh", str(plain(self.identities.get_identity(identity))))
        # The SDK has no call for it.
        answer = httpx.get(f"{SERVER_URL}/v1/identities/{identity}/credentials", headers={"anchor-api-key": API_KEY})
        self.assertEqual(answer.json()["credentials"], credentials)
        self.identities.update_identity(identity, name=f"{name} 2", metadata={"department": "Sales"})
        changed = self.identities.get_identity(identity)
        self.assertEqual((changed.name, changed.metadata), (f"{name} 2", {"department": "Sales"}))
        self.identities.delete_identity(identity)
        with self.assertRaises(anchorbrowser.NotFoundError):
            self.identities.get_identity(identity)

    def test_an_application_has_flows_and_identities(self):
        name = unique("application")
        made = self.applications.create_application(source="https://applications.test", name=name)
        application = str(made.id)
        flow = self.applications.create_auth_flow(application, name="Standard", methods=["username_password"])
        self.applications.update_auth_flow(application, str(flow.id), name="Codes", methods=["authenticator"])
        [listed] = self.applications.list_auth_flows(application).auth_flows
        self.assertEqual((listed.name, listed.methods), ("Codes", ["authenticator"]))
        identity = self.identities.create_identity(source="https://applications.test/x", application_name=name)
        [inside] = self.applications.list_application_identities(application).identities
        self.assertEqual(inside.id, identity.id)
        shown = self.applications.get_application(application)
        self.assertEqual((shown.identity_count, shown.auth_methods), (1, ["authenticator"]))
        self.assertEqual([one.id for one in self.applications.list_applications(search=name).applications], [made.id])
        with self.assertRaises(anchorbrowser.InternalServerError) as refused:
            self.applications.create_identity_token(application, callback_url="https://applications.test/back")
        self.assertEqual(refused.exception.status_code, 501)
        self.assertIn("log in once", message(refused.exception))
        self.assertTrue(self.applications.delete_auth_flow(application, str(flow.id)).success)
        self.assertTrue(self.applications.delete_application(application).success)
        with self.assertRaises(anchorbrowser.NotFoundError):
            self.identities.get_identity(str(identity.id))
