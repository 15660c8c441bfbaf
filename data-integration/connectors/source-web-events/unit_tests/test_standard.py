"""The CDK's standard connector tests, with the configurations of acceptance-test-config.yml."""

from airbyte_cdk.test.standard_tests import SourceTestSuiteBase
from source_web_events import SourceWebEvents


class TestSourceWebEvents(SourceTestSuiteBase):
    connector = SourceWebEvents
