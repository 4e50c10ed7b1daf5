"""What the generator takes from the environment and from `.env`. Read once, by the command."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class GenerationSettings(BaseSettings):
    """Each field is the environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    openai_api_key: SecretStr | None = Field(None, description="Key for the model that writes the dataset.")
    openai_base_url: str | None = Field(
        None, description="Its server, any that speaks OpenAI's chat API (…/v1). Unset: OpenAI's own."
    )
    wikipedia_url: str = Field(
        "https://{code}.wikipedia.org/w/api.php", description="MediaWiki's API; {code} becomes the language."
    )
    wikipedia_user_agent: str = Field(
        "FanFabler/0.1 (making a dataset of fan fiction chats; set WIKIPEDIA_USER_AGENT to your contact)",
        description="Who asks Wikipedia: name and contact, as its policy wants.",
    )
