"""The CDK's standard tests of a declarative source; `elt connectors test` prepares the folder that they run in."""

from airbyte_cdk.test.standard_tests import DeclarativeSourceTestSuite


class TestManifest(DeclarativeSourceTestSuite):
    pass
