"""PyPI anchorbrowser: applications and identities are kept, and come back with their credentials."""

import anchorbrowser
from support.server import GENERATION, Suite, unique

PASSWORD = {"type": "username_password", "username": "ada", "password": "anchors-aweigh"}
FLOW = {"name": "by password", "methods": ["username_password"]}


def told(answer):
    return getattr(answer, "data", answer).model_dump(mode="json", warnings=False)


class Identities(Suite):
    def setUp(self):
        super().setUp()
        applications, identities = self.sdk.client.applications, self.sdk.client.identities
        if GENERATION >= 1:
            self.create_application = applications.create_application
            self.get_application = applications.get_application
            self.list_applications = applications.list_applications
            self.delete_application = applications.delete_application
            self.list_identities = applications.list_application_identities
            self.create_flow = applications.create_auth_flow
            self.list_flows = applications.list_auth_flows
            self.delete_flow = applications.delete_auth_flow
            self.create_identity = identities.create_identity
            self.get_identity = identities.get_identity
            self.update_identity = identities.update_identity
            self.delete_identity = identities.delete_identity
        else:
            self.create_application = applications.create
            self.get_application = applications.retrieve
            self.list_applications = applications.list
            self.delete_application = applications.delete
            self.list_identities = applications.list_identities
            self.create_flow = applications.auth_flows.create
            self.list_flows = applications.auth_flows.list
            self.delete_flow = lambda application, flow: applications.auth_flows.delete(flow, application_id=application)
            self.create_identity = identities.create
            self.get_identity = identities.retrieve
            self.update_identity = identities.update
            self.delete_identity = identities.delete

    def test_an_application_its_flows_and_its_end(self):
        source = f"https://{unique('site').replace(' ', '-')}.example"
        application = told(self.create_application(source=source, name="Harbour"))["id"]
        self.assertEqual(told(self.get_application(application))["name"], "Harbour")
        self.assertIn(application, str(told(self.list_applications())))
        flow = told(self.create_flow(application, **FLOW))["id"]
        if GENERATION >= 1:
            self.sdk.client.applications.update_auth_flow(application, flow, name="renamed")
            self.assertIn("renamed", str(told(self.list_flows(application))))
        self.assertIn(flow, str(told(self.list_flows(application))))
        self.delete_flow(application, flow)
        self.assertNotIn(flow, str(told(self.list_flows(application))))
        self.delete_application(application)
        with self.assertRaises(anchorbrowser.NotFoundError):
            self.get_application(application)

    def test_an_identity_keeps_its_credentials_to_itself(self):
        source = f"https://{unique('site').replace(' ', '-')}.example/login"
        identity = told(self.create_identity(source=source, name="ada", credentials=[PASSWORD], metadata={"deck": 1}))["id"]
        shown = told(self.get_identity(identity))
        self.assertEqual(shown["name"], "ada")
        self.assertNotIn(PASSWORD["password"], str(shown))
        self.update_identity(identity, name="ada lovelace", credentials=[PASSWORD | {"password": "changed"}])
        self.assertEqual(told(self.get_identity(identity))["name"], "ada lovelace")
        if GENERATION < 1:
            kept = told(self.sdk.client.identities.retrieve_credentials(identity))
            self.assertIn("changed", str(kept))
        (application,) = [
            held["id"] for held in told(self.list_applications())["applications"] if identity in str(told(self.list_identities(held["id"])))
        ]
        self.delete_identity(identity)
        self.assertNotIn(identity, str(told(self.list_identities(application))))
        with self.assertRaises(anchorbrowser.NotFoundError):
            self.get_identity(identity)
